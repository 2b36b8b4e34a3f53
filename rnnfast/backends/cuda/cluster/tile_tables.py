"""What the cluster kernels read of rows that differ by their lengths alone, written by the device."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.backends.cuda.arrays import array_at
from rnnfast.backends.cuda.cluster.shape import ROWS
from rnnfast.backends.cuda.driver.scalars import address, int64
from rnnfast.backends.cuda.entry_tables import counter


def tables_kernel(cuda: Any) -> Any:
    """Return the kernel that writes `order`, `spans` and `rows`, the positions of live steps, of rows of these lengths.

    Lengths (B,); one thread a position, and if there are none, one a row. `first_direction` is 0 forward, 1 backward.
    """
    before = counter(cuda)

    def kernel(
        lengths: address, steps: int64, batch: int64, first_direction: int64, directions: int64, order: address,
        spans: address, rows: address,
    ):  # fmt: skip
        at, room, tiles = cuda.grid(1), steps * batch, (batch + ROWS - 1) // ROWS
        t, b = at // batch, at % batch
        if t < max(steps, 1):
            ends = array_at(lengths, (batch,), np.int32)
            length = ends[b]
            if t < length:
                array_at(rows, (room,), np.int32)[before(ends, t, b, 0)] = at
            if t == 0:
                rank = 0
                for k in range(batch):
                    if ends[k] > length or (ends[k] == length and k < b):
                        rank += 1
                array_at(order, (batch,), np.int32)[rank] = b
                if rank % ROWS == 0:  # the longest of its tile
                    visits = array_at(spans, (directions, tiles, 2), np.int32)
                    for d in range(directions):
                        first = steps - length if first_direction + d == 1 else 0
                        visits[d, rank // ROWS, 0], visits[d, rank // ROWS, 1] = first, first + length

    return kernel
