"""Where a thread's cell is, and where its numbers of each visit are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from rnnfast.backends.cuda.cluster.shape import CELLS, HALVES

i32, u32, u64 = np.int32, np.uint32, np.uint64
NONE = u64(0)


def walker(ops: Any, uneven: bool) -> SimpleNamespace:
    """Return `cell`, from (thread, lane) to the number of a thread's cell, its half of the block, its unit and row.

    And `begin`, which returns where the numbers of its half's first visit are: of x and y, in (T, B, H) (in bytes),
    flags; how far those of its next visit are; how far from there the state after the visit is; and the bound up to
    which visits are within the row's length.
    """
    load_word = ops.load_constant_word

    def cell(thread, lane):
        index, half = thread % u32(CELLS), thread // u32(CELLS)
        unit, row = index // u32(64) * u32(8) + (lane >> u32(2)), (lane & u32(3)) * u32(2) + (index >> u32(5) & u32(1))
        return index, half, unit, row

    def begin(
        x, x_step, x_row, y, y_step, y_row, lengths, flags, steps, batch, first, half, turned, inside, b, own, in_row,
        step_bytes,
    ):  # fmt: skip
        t = i32(steps) - i32(1) - first - i32(half) if turned else first + i32(half)
        length = i32(load_word(lengths + u64(b) * u64(4))) if uneven and inside and lengths != NONE else i32(steps)
        bound = i32(steps) - first - length if turned else length - first  # of visits that are within it
        x_at = x + u64(t) * x_step + u64(b) * x_row + u64(own) * u64(4)
        y_at = y + u64(t) * y_step + u64(b) * y_row + u64(own) * u64(4)
        place = u64(t) * step_bytes + in_row
        flags_at = flags + (u64(first) + u64(1)) * u64(batch) + u64(b)
        x_turn, y_turn, turn_bytes = u64(HALVES) * x_step, u64(HALVES) * y_step, u64(HALVES) * step_bytes
        after = step_bytes
        if turned:
            x_turn, y_turn, turn_bytes, after = NONE - x_turn, NONE - y_turn, NONE - turn_bytes, NONE
        return x_at, y_at, place, flags_at, x_turn, y_turn, turn_bytes, after, bound

    return SimpleNamespace(cell=ops.inline(cell), begin=ops.inline(begin))
