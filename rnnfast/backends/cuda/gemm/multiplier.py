"""A warp's share of a tile: fragments from shared memory, chains of matrix instructions, totals in float32."""

from __future__ import annotations

import numpy as np

from rnnfast.backends.cuda.gemm.arithmetic import chain
from rnnfast.backends.cuda.gemm.tile import ROW_BYTES

u32 = np.uint32


def multiplier(ops, tile, half):
    """Return `lanes`, where a thread's fragments lie, and `add`, which adds a stage's products to its totals.

    A warp has side / 2 rows and 32 columns. A thread's total[16 i + 4 j + 2 h + e] is that of row 16 i + 8 h + g and
    column 8 j + 2 q + e of them, with g = lane / 4, q = lane % 4.
    """
    bands, half_side, b_tile = tile.side // 32, tile.side // 2, tile.side * ROW_BYTES
    a_scale_at, b_scale_at = 2 * b_tile, tile.b_scales
    load4, load = ops.load_shared_words4, ops.load_shared
    chained = chain(ops, half)

    @ops.inline
    def lanes(tid):
        """Return the warp's first row and column, the thread's row g among eight, its column q, its unit's place."""
        g, q, warp = u32((tid >> u32(2)) & u32(7)), u32(tid & u32(3)), u32(tid >> u32(5))
        place = u32(q ^ (g >> u32(2)) ^ ((g & u32(1)) << u32(2)))
        return u32((warp & u32(1)) * u32(half_side)), u32((warp >> u32(1)) * u32(32)), g, q, place

    @ops.inline
    def fragment(words, first, rows, row, place, unit):
        """Load the words of a lane's unit: `rows` is where its row g lies, `row` the constant that is added to it."""
        at = rows + u32(row * ROW_BYTES) + ((place ^ u32(4 * unit) ^ u32((row >> 2) & 7)) << u32(4))
        four = load4(u32(at))
        words[first], words[first + 1], words[first + 2], words[first + 3] = four[0], four[1], four[2], four[3]

    @ops.inline
    def band(total, part, a, b, scales, a_scales, rows, place, i):
        """Multiply 16 rows with the warp's 32 columns."""
        for unit in range(2):
            for h in range(2):
                fragment(a, 8 * unit + 4 * h, rows, 16 * i + 8 * h, place, unit)
        if half:
            scales[8], scales[9] = load(u32(a_scales + u32(64 * i))), load(u32(a_scales + u32(64 * i + 32)))
        for j in range(4):
            chained(part, a, b, j)
            for e in range(4):
                if half:
                    total[16 * i + 4 * j + e] += part[e] * (scales[8 + e // 2] * scales[2 * j + e % 2])
                else:
                    total[16 * i + 4 * j + e] += part[e]

    @ops.inline
    def add(total, part, a, b, scales, stage, lane):
        row, column, g, q, place = lane
        a_rows, b_rows = (
            u32(stage + (row + g) * u32(ROW_BYTES)),
            u32(stage + u32(b_tile) + (column + g) * u32(ROW_BYTES)),
        )
        place_a = (
            u32(place ^ ((row >> u32(2)) & u32(7))) if half_side % 32 else place
        )  # of whole 32 rows it is the same
        a_scales = u32(stage + u32(a_scale_at) + u32(4) * (row + g))
        b_scales = u32(stage + u32(b_scale_at) + u32(4) * (column + u32(2) * q))
        if half:
            for j in range(8):
                scales[j] = load(u32(b_scales + u32(32 * (j // 2) + 4 * (j % 2))))
        for j in range(4):
            for unit in range(2):
                fragment(b, 8 * j + 4 * unit, b_rows, 8 * j, place, unit)
        # written out: a loop of this length is not unrolled, and arrays would not be in registers
        band(total, part, a, b, scales, a_scales, a_rows, place_a, 0)
        if bands > 1:
            band(total, part, a, b, scales, a_scales, a_rows, place_a, 1)
        if bands > 2:
            band(total, part, a, b, scales, a_scales, a_rows, place_a, 2)
            band(total, part, a, b, scales, a_scales, a_rows, place_a, 3)

    return lanes, add
