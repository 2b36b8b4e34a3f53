"""Matrix products of the reference: of numbers as they are, NumPy's own, and of numbers rounded to bfloat16 first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rnnfast.problem import Array

Product = Callable[[Array, Array], Array]
"""Of two matrices."""


def rounded_product(a: Array, b: Array) -> Array:
    """Return a b for matrices of float32, each number rounded to bfloat16 and the sums as NumPy's are.

    >>> rounded_product(np.full((1, 1), 1.01, np.float32), np.ones((1, 1), np.float32))
    array([[1.0078125]], dtype=float32)
    """
    result: Array = rounded(a) @ rounded(b)
    return result


def rounded(a: Array) -> Array:
    """Return float32 numbers rounded to nearest with 16 bits less, ties to even; NaNs as they are."""
    bits = np.ascontiguousarray(a).view(np.uint32)
    found = ((bits + np.uint32(0x7FFF) + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)).view(np.float32)
    return np.where(np.isnan(a), a, found)
