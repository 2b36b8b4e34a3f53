"""Sums with W_hh in which a number is infinite, as IEEE has them: what three products cannot give.

An infinite number has no low part: of it the three products make NaN in every sum that it is in. So a sum that comes
out as NaN is made again here, in float32, number by number; it is infinite or NaN then, unless float32 itself had
overflowed on the way. All other sums are as they were.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from rnnfast.backends.cuda.cluster.shape import ROWS, UNITS

u32, u64, f32 = np.uint32, np.uint64, np.float32
ZERO = f32(0)


def sums_of_states(ops: Any, gates: int, products: SimpleNamespace) -> Any:
    """Return the function (s0..s3, weight, words, unit, size, inverse) -> the sums of a cell, none of them made up.

    `weight` is the address of W_hh, `words` where the words of the cell's row begin in a slot, `inverse` that of the
    scale of these. A cell beyond the layer, of `size` 0, gets zeros, so that what it sends is finite.
    """
    load, load_word, value = ops.load_constant, ops.load_shared_word, products.value

    def again(total, row, words, size, inverse):
        if total == total:
            return total
        total, k = ZERO, u32(0)
        while k < size and total == total:  # NaN stays
            word = load_word(u32(words + ((k // u32(UNITS)) * u32(ROWS * UNITS) + k % u32(UNITS)) * u32(4)))
            total += load(row + u64(k) * u64(4)) * (value(word) * inverse)
            k = u32(k + u32(1))
        return total

    again = ops.inline(again)

    def mended(s0, s1, s2, s3, weight, words, unit, size, inverse):
        of_gate = u64(size) * u64(size) * u64(4)
        row = weight + u64(unit) * u64(size) * u64(4)
        s0 = again(s0, row, words, size, inverse)
        if gates > 1:
            s1 = again(s1, row + of_gate, words, size, inverse)
            s2 = again(s2, row + u64(2) * of_gate, words, size, inverse)
        if gates > 3:
            s3 = again(s3, row + u64(3) * of_gate, words, size, inverse)
        return s0, s1, s2, s3

    return ops.inline(mended)
