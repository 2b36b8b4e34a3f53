"""Which tile of rows and which direction a cluster works on, and which visits have anything to do."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.backends.cuda.cluster.shape import ROWS, UNITS

i32, u32, u64 = np.int32, np.uint32, np.uint64


def tile_finder(ops: Any, uneven: bool) -> Any:
    """Return the function (spans, steps, batch, size, first_direction) -> what a block works on.

    That is blocks of the cluster, this one among them, the number of the direction, the tile, whether steps are
    visited from the last one on, rows of the tile, the first visit and where visits end: what `spans` say if `uneven`.
    """
    block_of, load_word = ops.block, ops.load_constant_word

    def find(spans, steps, batch, size, first_direction):
        blocks, tiles = (u32(size) + u32(UNITS - 1)) // u32(UNITS), (u32(batch) + u32(ROWS - 1)) // u32(ROWS)
        cluster, member = block_of() // blocks, block_of() % blocks
        number, tile = cluster // tiles, cluster % tiles
        turned = number + u32(first_direction) == u32(1)
        rows = min(batch - i32(tile) * i32(ROWS), i32(ROWS))
        first, last = i32(0), i32(steps)
        if uneven:
            span = spans + u64(cluster) * u64(8)
            first, last = i32(load_word(span)), i32(load_word(span + u64(4)))
        return blocks, member, number, tile, turned, rows, first, last

    return ops.inline(find)
