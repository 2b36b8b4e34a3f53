"""Sums with W_hh, or its transpose, in which a number is infinite, as IEEE has them: what three products cannot give.

An infinite number has no low part: of it the three products make NaN in every sum that it is in. So a sum that comes
out as NaN is made again here, in float32, number by number; it is infinite or NaN then, unless float32 itself had
overflowed on the way. All other sums are as they were. Whether any is NaN is seen by one look, at the sum of them all:
a look at each would make a step a tenth longer.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from rnnfast.backends.cuda.cluster.backward_shape import TILE_WORDS, BackwardShape
from rnnfast.backends.cuda.cluster.shape import ROWS, UNITS

i32, u32, u64, f32 = np.int32, np.uint32, np.uint64, np.float32
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
        all_of_them = (s0 + s1) + (s2 + s3)
        if all_of_them == all_of_them:
            return s0, s1, s2, s3
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


def sums_of_gradients(ops: Any, shape: BackwardShape, gates: int) -> Any:
    """Return the function (sums, weight, gradients, size, first unit, band, part, lane) that does so backward.

    It is for a warp's sums[12 j : 12 j + 4] of its bands, units g and g + 8 and rows 2 q and 2 q + 1. `weight` is the
    address of W_hh, `gradients` where d of the block's units, from the first unit on, lies in shared memory; `band` is
    the first of the warp's.
    """
    load, load_shared, tiles, numbers = ops.load_constant, ops.load_shared, shape.tiles, shape.numbers
    bands, across = shape.bands, shape.across

    def again(total, weight, gradients, size, first_unit, unit, row, part):
        if total == total:
            return total
        total, i = ZERO, i32(0)
        while i < tiles * 16 and total == total:  # NaN stays
            place = part * u32(tiles * 16) + u32(i)
            source, gate = u32(first_unit + place // u32(numbers)), u32(place % u32(numbers))
            if source < size and unit < size and gate < u32(gates):
                number = (u64(gate) * u64(size) + u64(source)) * u64(size) + u64(unit)
                d = load_shared(
                    u32(gradients + (place // u32(16) * u32(TILE_WORDS) + row * u32(16) + place % u32(16)) * u32(4))
                )
                total += load(weight + number * u64(4)) * d
            i += i32(1)
        return total

    again = ops.inline(again)

    def mend(sums, weight, gradients, size, first_unit, band, part, lane):
        all_of_them = ZERO
        for j in range(bands):
            all_of_them += (sums[12 * j] + sums[12 * j + 1]) + (sums[12 * j + 2] + sums[12 * j + 3])
        if all_of_them == all_of_them:
            return
        for j in range(bands):
            own = u32(band + u32(j * across))
            unit, row = u32(own * u32(UNITS) + (lane >> u32(2))), u32((lane & u32(3)) * u32(2))
            for i in range(4):  # of a band that is none, too: its sums go nowhere
                at, more, below = 12 * j + i, u32(i // 2 * 8), u32(i % 2)
                sums[at] = again(
                    sums[at], weight, gradients, size, first_unit, u32(unit + more), u32(row + below), part
                )

    return ops.inline(mend)
