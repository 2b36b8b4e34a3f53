"""Sums of the columns of a product's operand A (k, m), made while its tiles go by: gradients of biases."""

from __future__ import annotations

import numpy as np

from rnnfast.backends.cuda.gemm.operand import WORD, sharer
from rnnfast.backends.cuda.gemm.tile import DEPTH

f32, u32 = np.float32, np.uint32


def summer(ops, tile):
    """Return count, which adds a thread's 4 x 4 numbers of a stage to its four sums, and write, which writes them.

    A column's sum is that of eight threads, each with the numbers of its unit of k, added in turn.
    """
    side, units = tile.side, DEPTH // 4
    share = sharer(ops, False, side)
    put4, load_shared, store, after, sync = (
        ops.store_shared4, ops.load_shared, ops.store, ops.after, ops.sync_block,
    )  # fmt: skip

    @ops.inline
    def count(sums, v):
        for i in range(4):
            for j in range(4):
                sums[i] += v[4 * j + i]

    @ops.inline
    def write(sums, address, first, m, base, tid):
        r, u = share(tid)
        put4(u32(base + u32(16) * (u * u32(side // 4) + r)), sums[0], sums[1], sums[2], sums[3])
        sync()
        if tid < u32(side) and u32(first + tid) < m:
            value = f32(0)
            for unit in range(units):
                value += load_shared(u32(base + u32(4) * (u32(unit * side) + tid)))
            store(after(address, u32(first + tid), WORD), value)

    return count, write
