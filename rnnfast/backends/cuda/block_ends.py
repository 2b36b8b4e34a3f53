"""What resident blocks do beside products: after forward's last step, before backward's first, in each of its steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.backends.cuda.block_tables import dealt
from rnnfast.backends.cuda.cells import FROM_ZEROS, past
from rnnfast.backends.cuda.gradients import beginning, by_way_of_y
from rnnfast.backends.cuda.shapes import Cell


def finisher(cuda: Any, threads: int, units: int, two_states: bool) -> Any:
    """Return what writes the states after all steps, where wanted, of this block's units and its group's rows."""

    def finish(group, groups, first_unit, last, state, final):
        _, h0, c0, _, _, c, h = state
        h_n, c_n = final
        batch, size = last.shape[0], h.shape[1]
        begin, end = dealt(group, groups, batch), dealt(group + 1, groups, batch)
        for i in range(cuda.threadIdx.x, (end - begin) * units, threads):
            b, j = begin + i // units, first_unit + i % units
            if j < size:
                if h_n.shape[0] > 0:
                    h_n[b, j] = past(h, h0, last[b], b, j)
                if two_states and c_n.shape[0] > 0:
                    c_n[b, j] = past(c, c0, last[b], b, j)

    return cuda.jit(device=True, forceinline=True)(finish)


def preparer(cuda: Any, threads: int, units: int, two_states: bool) -> Any:
    """Return what makes dh and dc the final states' gradients, for this block's units and its group's rows.

    They are zeros for a state that had become zeros, and where none are given.
    """

    def prepare(group, groups, first_unit, last, final, grads):
        d_h_n, d_c_n = final
        dh, dc, _, _, _ = grads
        batch, size, zero = dh.shape[0], dh.shape[1], dh.dtype.type(0)
        begin, end = dealt(group, groups, batch), dealt(group + 1, groups, batch)
        for i in range(cuda.threadIdx.x, (end - begin) * units, threads):
            b, j = begin + i // units, first_unit + i % units
            if j < size:
                lives = last[b] != FROM_ZEROS
                dh[b, j] = d_h_n[b, j] if lives and d_h_n.shape[0] > 0 else zero
                if two_states:
                    dc[b, j] = d_c_n[b, j] if lives and d_c_n.shape[0] > 0 else zero

    return cuda.jit(device=True, forceinline=True)(prepare)


def beginner(cuda: Any, threads: int, units: int, cell: Cell) -> tuple[Any, Any]:
    """Return what looks up a thread's first entry of a visit, and what does the first part of that step with it.

    Both are for this block's units of entries [start, stop).
    """
    begin = beginning(cell)

    def look(plan, start):
        rows, previous = plan
        e = start + cuda.threadIdx.x // units
        return (rows[e], previous[e]) if e < rows.shape[0] else (np.int32(0), np.int32(0))

    def run(start, stop, v, first_unit, plan, known, d_shown, d_held, grads, state):
        rows, previous = plan
        thread = cuda.threadIdx.x
        for i in range(thread, (stop - start) * units, threads):
            e, j = start + i // units, first_unit + i % units
            if j < grads[0].shape[1]:
                b, before = known if i == thread else (rows[e], previous[e])
                begin(e, j, b, before, by_way_of_y(d_shown, d_held, v, b, e, j), grads, state)

    return cuda.jit(device=True, forceinline=True)(look), cuda.jit(device=True, forceinline=True)(run)
