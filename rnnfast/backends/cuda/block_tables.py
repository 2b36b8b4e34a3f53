"""What a block knows of the entries that it works on: tables in its shared memory, made while it waits for others.

Rows, entries before, and the addresses of the vectors that products take.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from rnnfast.backends.cuda.blocks import Block
from rnnfast.backends.cuda.cells import FROM_START


@register_jitable
def quotient(a, b):
    """Return a // b of numbers of 32 bits: a division of 64 is a function's call, which takes a kernel's registers."""
    return np.int64(np.uint32(a) // np.uint32(b))


@register_jitable
def dealt(group, groups, batch):
    """Return a group's first row, group · batch // groups: rows are dealt as plans deal them."""
    each = quotient(batch, groups)
    return group * each + quotient(group * (batch - groups * each), groups)


@register_jitable
def span(cuts, v, group):
    """Return where a group's entries of a visit begin and end; of a visit that there is not, nowhere."""
    if v < 0 or v >= cuts.shape[0]:
        return 0, 0
    return int(cuts[v, group]), int(cuts[v, group + 1])


def states_finder(cuda: Any, real: Any, block: Block, *, two: bool, masked: bool) -> Any:
    """Return what writes, of entries from `first` on, their rows, the entries before, and where vectors and masks lie.

    0 is where a vector of zeros lies.
    """
    entries, threads, item = block.entries, block.threads, np.dtype(real).itemsize

    def find(tables, first, stop, size, rows, previous, begins):
        row_of, before_of, vectors, more_vectors, masks = tables
        h, h0, mask, operand = begins
        for s in range(cuda.threadIdx.x, min(entries, stop - first), threads):
            e = first + s
            b, before = rows[e], previous[e]
            row_of[s], before_of[s] = b, before
            at = h + np.uint64(before * size * item)
            if before < 0:
                at = h0 + np.uint64(b * size * item) if before == FROM_START and h0 != 0 else np.uint64(0)
            vectors[s] = at
            if two:
                more_vectors[s] = operand + np.uint64(e * size * item)
            if masked:
                masks[s] = mask + np.uint64(b * size * item)

    return cuda.jit(device=True, forceinline=True)(find)


def gates_finder(cuda: Any, real: Any, block: Block, slots: int) -> Any:
    """Return what writes, of entries from `first` on, their rows, the entries before, and where their gates lie."""
    entries, threads, item = block.entries, block.threads, np.dtype(real).itemsize

    def find(tables, first, stop, size, plan, gates):
        row_of, before_of, vectors = tables
        rows, previous = plan
        for s in range(cuda.threadIdx.x, min(entries, stop - first), threads):
            e = first + s
            row_of[s], before_of[s] = rows[e], previous[e]
            vectors[s] = gates + np.uint64(e * slots * size * item)

    return cuda.jit(device=True, forceinline=True)(find)
