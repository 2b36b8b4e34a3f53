"""The parameters of one layer and direction."""

from __future__ import annotations

from typing import Any, NamedTuple


class Weights(NamedTuple):
    """Arrays as in `Problem`, or what stands for them elsewhere; both biases or neither.

    >>> import numpy as np
    >>> Weights(np.zeros((4, 2)), np.zeros((4, 1)), None, None).hh.shape
    (4, 1)
    """

    ih: Any
    """(G·H, I), above the first layer (G·H, D·H)."""
    hh: Any
    """(G·H, H)."""
    b_ih: Any
    """(G·H,), or None."""
    b_hh: Any
