"""What backward reads before its first visit, and the zeros that it writes after its last."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from rnnfast.backends.cuda.cluster.rows import clearer

i32, u64, f32 = np.int32, np.uint64, np.float32
ZERO, NONE = f32(0), u64(0)


def ends(ops: Any, slots: int) -> SimpleNamespace:
    """Return `last`, which leaves a cell's gradients of the last states, zeros where none are given, in shared memory.

    And `clear(d, step_bytes, row_bytes, first, last, steps, turned, ...)`, which makes d of visits outside
    [first, last) zeros.
    """
    load, store_shared, clear_part = ops.load_constant, ops.store_shared, clearer(ops)

    def last_states(last_h, last_h_away, last_c, last_c_away, away, in_row, h_cell, c_cell, inside):
        last_h, last_c = last_h + away * last_h_away, last_c + away * last_c_away
        store_shared(h_cell, load(last_h + in_row) if inside and last_h != NONE else ZERO)
        store_shared(c_cell, load(last_c + in_row) if inside and last_c != NONE else ZERO)

    def clear(d, step_bytes, row_bytes, first, last, steps, turned, order, first_row, rows, first_unit, size, thread):
        start, end = (i32(steps) - last, i32(steps) - first) if turned else (first, last)
        for k in range(slots):
            at, wide_step, wide_row = d + u64(k) * row_bytes, step_bytes * u64(slots), row_bytes * u64(slots)
            where = at, wide_step, wide_row, start, end, i32(steps)
            clear_part(*where, order, first_row, rows, first_unit, i32(size), thread)

    return SimpleNamespace(last=ops.inline(last_states), clear=ops.inline(clear))
