"""Which tile of rows and which direction a cluster works on, and which visits have anything to do."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.backends.cuda.cluster.shape import UNITS

i32, u32, u64 = np.int32, np.uint32, np.uint64


def tile_finder(ops: Any, uneven: bool) -> Any:
    """Return the function (spans, steps, batch, size, first_direction, tile_rows) -> what a block works on.

    That is blocks of the cluster, this one among them, the number of the direction, the tile's first row, whether
    steps are visited from the last one on, rows of the tile, the first visit and where visits end: what `spans` say if
    `uneven`.
    """
    block_of, load_word = ops.block, ops.load_constant_word

    def find(spans, steps, batch, size, first_direction, tile_rows):
        blocks = u32(u32(size + i32(UNITS - 1)) // u32(UNITS))
        tiles = u32(u32(batch + tile_rows - i32(1)) // u32(tile_rows))
        cluster, member = u32(block_of() // blocks), u32(block_of() % blocks)
        number, tile = u32(cluster // tiles), u32(cluster % tiles)
        turned = number + u32(first_direction) == u32(1)
        first_row = u32(tile * u32(tile_rows))
        rows = min(i32(batch - i32(first_row)), tile_rows)
        first, last = i32(0), i32(steps)
        if uneven:
            span = spans + u64(cluster) * u64(8)
            first, last = i32(load_word(span)), i32(load_word(span + u64(4)))
        return blocks, member, number, first_row, turned, rows, first, last

    return ops.inline(find)
