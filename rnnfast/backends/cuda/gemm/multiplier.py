"""A warp's share of a tile: fragments from shared memory, chains of matrix instructions, totals in float32."""

from __future__ import annotations

import numpy as np

from rnnfast.backends.cuda.gemm.arithmetic import chain
from rnnfast.backends.cuda.gemm.tile import PAIR_BYTES, ROW_BYTES, placer

u32 = np.uint32


def multiplier(ops, tile, half):
    """Return `lanes`, where a thread's fragments lie, and `add`, which adds a stage's products to its totals.

    A warp has side / 2 rows and 32 columns. A thread's total[16 i + 4 j + 2 h + e] is that of row 16 i + 2 g + h and
    column 8 j + 2 q + e of them, with g = lane / 4, q = lane % 4.
    """
    bands, half_side, b_tile = tile.side // 32, tile.side // 2, tile.side * ROW_BYTES
    a_scale_at, b_scale_at = 2 * b_tile, tile.b_scales
    load4, load = ops.load_shared_words4, ops.load_shared
    chained, place_a, place_b = chain(ops, half), placer(ops, True), placer(ops, False)

    @ops.inline
    def lanes(tid):
        """Return the warp's first row and column, the thread's g and q, places of its units in A and B."""
        g, q, warp = u32((tid >> u32(2)) & u32(7)), u32(tid & u32(3)), u32(tid >> u32(5))
        row = u32((warp & u32(1)) * u32(half_side))
        # of whole 32 rows the place is the same
        in_a = place_a(u32((row >> u32(1)) + g), q) if half_side % 32 else place_a(g, q)
        return row, u32((warp >> u32(1)) * u32(32)), g, q, in_a, place_b(g, q)

    @ops.inline
    def fragment(words, first, at):
        four = load4(u32(at))
        words[first], words[first + 1], words[first + 2], words[first + 3] = four[0], four[1], four[2], four[3]

    @ops.inline
    def band(total, part, a, b, scales, stage, lane, i):
        """Multiply 16 rows with the warp's 32 columns."""
        row, _, g, _, place, _ = lane
        rows = u32(stage + ((row >> u32(1)) + g) * u32(PAIR_BYTES))
        for unit in range(2):
            at = u32(rows + ((place ^ u32(4 * (unit ^ (i & 1)))) << u32(4)))
            fragment(a, 8 * unit, at + u32(8 * i * PAIR_BYTES))
            fragment(a, 8 * unit + 4, at + u32(8 * i * PAIR_BYTES + ROW_BYTES))
        if half:
            at = u32(stage + u32(a_scale_at + 64 * i) + u32(4) * (row + u32(2) * g))
            scales[8], scales[9] = load(at), load(u32(at + u32(4)))
        for j in range(4):
            chained(part, a, b, j)
            for e in range(4):
                if half:
                    total[16 * i + 4 * j + e] += part[e] * (scales[8 + e // 2] * scales[2 * j + e % 2])
                else:
                    total[16 * i + 4 * j + e] += part[e]

    @ops.inline
    def add(total, part, a, b, scales, stage, lane):
        _, column, g, q, _, place = lane
        rows = u32(stage + u32(b_tile) + (column + g) * u32(ROW_BYTES))
        for j in range(4):
            for unit in range(2):
                at = rows + ((place ^ u32(4 * unit) ^ u32(2 * j)) << u32(4))
                fragment(b, 8 * j + 4 * unit, at + u32(8 * j * ROW_BYTES))
            if half:
                at = u32(stage + u32(b_scale_at + 32 * j) + u32(4) * (column + u32(2) * q))
                scales[2 * j], scales[2 * j + 1] = load(at), load(u32(at + u32(4)))
        # written out: a loop of this length is not unrolled, and arrays would not be in registers
        band(total, part, a, b, scales, stage, lane, 0)
        if bands > 1:
            band(total, part, a, b, scales, stage, lane, 1)
        if bands > 2:
            band(total, part, a, b, scales, stage, lane, 2)
            band(total, part, a, b, scales, stage, lane, 3)

    return lanes, add
