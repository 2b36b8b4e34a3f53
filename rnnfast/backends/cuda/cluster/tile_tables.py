"""What the cluster kernels read of rows that are not all live, written by the device.

Other tables than those of plans (entry_tables.py), as clusters need no list of who is live: a row stays in its tile at
every visit, whether it is live there or not, and flags say which. Rows are dealt to tiles so that those of a tile have
most visits in common, and tiles leave out the visits at which none of theirs does anything.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from rnnfast.backends.cuda.arrays import array_at
from rnnfast.backends.cuda.cluster.ragged import CUT, LIVE
from rnnfast.backends.cuda.driver.scalars import address, int64
from rnnfast.backends.cuda.step_flags import NUMBERED, counter, given_at, is_cut, numberer

KEYS = 1024
"""Rows that are compared with others at a time."""


def tables_kernel(cuda: Any) -> Any:
    """Return the kernel that writes `rows`, the positions of live steps, `flags`, if wanted, `order` and `spans`.

    A block takes `each` steps; if there are none, there is one. The last to come deals rows to tiles of `tile_rows`.
    `first_direction` is 0 forward, 1 backward. Zeros at first: `reach` (directions, B, 2), which becomes how many
    visits before the end a row has something to do for the first time, and the visit after the last time; `done`,
    which counts blocks.
    """
    before, number_of, deal = counter(cuda), numberer(cuda), dealer(cuda)

    def kernel(
        lengths: address, mask: address, resets: address, steps: int64, batch: int64, first_direction: int64,
        directions: int64, each: int64, tile_rows: int64, reach: address, done: address, order: address, spans: address,
        flags: address, rows: address,
    ):  # fmt: skip
        first, thread, threads = cuda.blockIdx.x * each, cuda.threadIdx.x, cuda.blockDim.x
        given, is_last = given_at(lengths, mask, resets, steps, batch), cuda.shared.array(1, np.int32)
        words = cuda.shared.array(NUMBERED, np.uint32)
        reached = array_at(reach, (directions, batch, 2), np.int32)
        start = before(given, steps, batch, False, first)
        for t in range(first, min(first + each, steps)):
            for begin in range(0, batch, threads):
                lives, number, count = number_of(words, given, steps, batch, t, begin)
                b = begin + thread
                if lives:
                    array_at(rows, (steps * batch,), np.int32)[start + number] = t * batch + b
                for d in range(directions if b < batch else 0):
                    backwards = first_direction + d == 1
                    v = steps - 1 - t if backwards else t
                    flag = LIVE if lives else 0
                    if is_cut(given, steps, batch, backwards, v + 1, b):
                        flag += CUT
                    if flag != 0:
                        cuda.atomic.max(reached, (d, b, 0), steps - v)
                        cuda.atomic.max(reached, (d, b, 1), v + 1)
                    if flags != 0:
                        array_at(flags, (directions, steps + 1, batch), np.uint8)[d, v + 1, b] = flag
                start += count
        if first == 0 and flags != 0:
            for b in range(thread, batch, threads):
                for d in range(directions):
                    cut = is_cut(given, steps, batch, first_direction + d == 1, 0, b)
                    array_at(flags, (directions, steps + 1, batch), np.uint8)[d, 0, b] = CUT if cut else 0
        cuda.syncthreads()
        if thread == 0:
            blocks = max((steps + each - 1) // each, 1)
            cuda.threadfence()
            is_last[0] = cuda.atomic.add(array_at(done, (1,), np.int32), 0, 1) == blocks - 1
            cuda.threadfence()
        cuda.syncthreads()
        if is_last[0]:
            tiles = (batch + tile_rows - 1) // tile_rows
            visits = array_at(spans, (directions, tiles, 2), np.int32)
            deal(reached, steps, tile_rows, array_at(order, (batch,), np.int32), visits)

    return kernel


@register_jitable
def key_of(reached, steps, b):
    """Return what is larger the more visits a row has, from its first with something to do to its last.

    In whichever direction it has most; of rows that have as many it is larger of those that come first.
    """
    directions, batch, _ = reached.shape
    most = -steps
    for d in range(directions):
        most = max(most, reached[d, b, 0] + reached[d, b, 1] - steps)
    return most * batch + batch - 1 - b


def dealer(cuda: Any) -> Any:
    """Return what a block does to deal rows to tiles: those with the most visits first, then their tiles' visits."""

    def deal(reached, steps, tile_rows, order, visits):
        directions, batch, _ = reached.shape
        _, tiles, _ = visits.shape
        thread, threads, keys = cuda.threadIdx.x, cuda.blockDim.x, cuda.shared.array(KEYS, np.int32)
        for begin in range(0, batch, threads):
            b = begin + thread
            own, rank = key_of(reached, steps, min(b, batch - 1)), 0
            for first in range(0, batch, KEYS):
                count = min(KEYS, batch - first)
                cuda.syncthreads()
                for k in range(thread, count, threads):
                    keys[k] = key_of(reached, steps, first + k)
                cuda.syncthreads()
                for k in range(count):
                    rank += keys[k] > own
            if b < batch:
                order[rank] = b
        cuda.syncthreads()
        for i in range(thread, directions * tiles, threads):
            d, tile, first, last = i // tiles, i % tiles, steps, 0
            for place in range(tile * tile_rows, min((tile + 1) * tile_rows, batch)):
                b = order[place]
                first = min(first, steps - reached[d, b, 0])
                last = max(last, reached[d, b, 1])
            visits[d, tile, 0], visits[d, tile, 1] = min(first, last), last

    return cuda.jit(device=True)(deal)
