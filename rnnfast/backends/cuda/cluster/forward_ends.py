"""What forward does before its first visit and after its last: states read and written, zeros where none is live."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from rnnfast.backends.cuda.cluster import ragged
from rnnfast.backends.cuda.cluster.rows import clearer

i32, u32, u64, f32 = np.int32, np.uint32, np.uint64, np.float32
ZERO, NOTHING, NONE = f32(0), u32(0), u64(0)
CUT = u32(ragged.CUT)


def ends(ops: Any, has_c: bool, uneven: bool) -> SimpleNamespace:
    """Return `first`, which reads a cell's first states, `last`, which writes the last ones, and `clear`.

    `first(h0, c0, flags, b, in_row, inside)` returns h and c, zeros after a cut before the first visit. `clear(y,
    y_step, y_row, first, last, steps, turned, ...)` makes zeros what visits outside [first, last) show.
    """
    load, load_byte, load_shared, store = ops.load_constant, ops.load_constant_byte, ops.load_shared, ops.store
    clear_part = clearer(ops)

    def first_states(h0, c0, flags, b, in_row, inside):
        h, c = ZERO, ZERO
        if inside and not (uneven and flags != NONE and load_byte(flags + u64(b)) & CUT != NOTHING):
            h = load(h0 + in_row) if h0 != NONE else ZERO
            if has_c:
                c = load(c0 + in_row) if c0 != NONE else ZERO
        return h, c

    def last_states(last_h, last_h_away, last_c, last_c_away, away, in_row, h_cell, c_cell):
        if last_h != NONE:
            store(last_h + away * last_h_away + in_row, load_shared(h_cell))
        if has_c and last_c != NONE:
            store(last_c + away * last_c_away + in_row, load_shared(c_cell))

    def clear(y, y_step, y_row, first, last, steps, turned, order, first_row, rows, first_unit, size, thread):
        before, behind = first, last
        if turned:
            before, behind = i32(steps) - last, i32(steps) - first
        clear_part(y, y_step, y_row, before, behind, i32(steps), order, first_row, rows, first_unit, i32(size), thread)

    return SimpleNamespace(first=ops.inline(first_states), last=ops.inline(last_states), clear=ops.inline(clear))
