"""The kinds of dropout, as the counters of its random bits name them: the same on every backend."""

from __future__ import annotations

BETWEEN, INPUT, RECURRENT = range(3)
"""Between layers, a mask for every step; on the input of the first layer and on h, one for the sequence."""
