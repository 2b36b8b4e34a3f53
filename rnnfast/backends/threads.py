"""How many threads a call may use: the C library knows, and where it was not built the number is kept here."""

from __future__ import annotations

import os

from rnnfast.backends.c import backend as c
from rnnfast.backends.processors import available_processors

MOST = 256
"""As in the C library."""
_chosen: int | None = None


def set_num_threads(n: int) -> None:
    """The caller's thread is among them; above 256 it is 256."""
    global _chosen
    if c.reason() is None:
        c.set_num_threads(n)
    else:
        _chosen = min(n, MOST)


def get_num_threads() -> int:
    """Return what was set, else RNNFAST_NUM_THREADS, else the processors available.

    ValueError if RNNFAST_NUM_THREADS decides and is no whole number above 0.
    """
    global _chosen
    if c.reason() is None:
        return c.get_num_threads()
    if _chosen is None:
        _chosen = min(_default(), MOST)
    return _chosen


def _default() -> int:
    if value := os.environ.get("RNNFAST_NUM_THREADS"):
        if not value.isdecimal() or int(value) == 0:
            raise ValueError(f"RNNFAST_NUM_THREADS is {value!r}, expected a whole number above 0")
        return int(value)
    return available_processors()
