"""Tier C's kernels: what a step does before and after its products, one thread a number of its entries.

A step is visit v, whose `count` entries begin at `first`. Other parameters are those of the kernels of forward.py and
backward.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from rnnfast.backends.cuda.arrays import array_at, arrays_at, present, strided_at
from rnnfast.backends.cuda.cells import state_parts
from rnnfast.backends.cuda.driver.scalars import address, int64
from rnnfast.backends.cuda.gradients import beginning, by_way_of_y, ending, grads_parts, reset
from rnnfast.backends.cuda.shapes import Cell, Phase


@register_jitable
def summed(sums, place, slices, part):
    """Return the sum of a product's slices, which are `part` numbers apart, in their order."""
    total = sums[place]
    for n in range(1, slices):
        total += sums[n * part + place]
    return total


def forward_step_kernel(cuda: Any, real: Any, cell: Cell, phase: Phase) -> Any:
    """Return the kernel of what follows a product of forward; sums: (slice, count, gates of the phase x H)."""
    apply, outputs, slots, shows = phase.forward, phase.count, cell.slots, phase is cell.phases[-1]

    def kernel(
        v: int64, first: int64, count: int64, rows: address, previous: address, n: int64, batch: int64, size: int64,
        gates: address, h0: address, c0: address, mask: address, operand: address, c: address, h: address,
        y: address, y_step: int64, y_row: int64, sums: address, slices: int64, part: int64,
    ):  # fmt: skip
        at = cuda.grid(1)
        i, j = at // size, at % size
        if i < count:
            e, row, before = first + i, array_at(rows, (n,), np.int32), array_at(previous, (n,), np.int32)
            state = arrays_at(state_parts(slots, n, batch, size, gates, h0, c0, mask, operand, c, h), real)
            total = array_at(sums, (slices * part,), real)
            for gate in range(outputs):
                place = (i * outputs + gate) * size + j
                total[place] = summed(total, place, slices, part)
            apply(e, j, row[e], before[e], total, i * outputs * size + j, size, state)
            if shows and y != 0:
                strided_at(y, (present(y, v + 1), batch, size), (y_step, y_row, 1), real)[v, row[e], j] = state[6][e, j]

    return kernel


def begin_step_kernel(cuda: Any, real: Any, cell: Cell) -> Any:
    """Return the kernel of the first part of a step of backward."""
    begin, slots = beginning(cell), cell.slots

    def kernel(
        v: int64, first: int64, count: int64, rows: address, previous: address, n: int64, batch: int64, size: int64,
        gates: address, h0: address, c0: address, mask: address, operand: address, c: address, h: address,
        dy: address, dy_step: int64, dy_row: int64, held: address,
        dh: address, dc: address, through: address, found: address, found_c: address,
    ):  # fmt: skip
        at = cuda.grid(1)
        i, j = at // size, at % size
        if i < count:
            e, row, before = first + i, array_at(rows, (n,), np.int32), array_at(previous, (n,), np.int32)
            state = arrays_at(state_parts(slots, n, batch, size, gates, h0, c0, mask, operand, c, h), real)
            grads = arrays_at(grads_parts(n, batch, size, dh, dc, through, found, found_c), real)
            d_shown = strided_at(dy, (present(dy, v + 1), batch, size), (dy_step, dy_row, 1), real)
            d = by_way_of_y(d_shown, array_at(held, (present(held, n), size), real), v, row[e], e, j)
            begin(e, j, row[e], before[e], d, grads, state)

    return kernel


def end_step_kernel(cuda: Any, real: Any, cell: Cell, phase: Phase) -> Any:
    """Return the kernel of what follows a product of backward; sums: (slice, count, H)."""
    after, slots = ending(cell) if phase is cell.phases[0] else reset, cell.slots

    def kernel(
        first: int64, count: int64, rows: address, previous: address, n: int64, batch: int64, size: int64,
        gates: address, h0: address, c0: address, mask: address, operand: address, c: address, h: address,
        dh: address, dc: address, through: address, found: address, found_c: address, sums: address,
        slices: int64, part: int64,
    ):  # fmt: skip
        at = cuda.grid(1)
        i, j = at // size, at % size
        if i < count:
            e, row, before = first + i, array_at(rows, (n,), np.int32), array_at(previous, (n,), np.int32)
            state = arrays_at(state_parts(slots, n, batch, size, gates, h0, c0, mask, operand, c, h), real)
            grads = arrays_at(grads_parts(n, batch, size, dh, dc, through, found, found_c), real)
            d = summed(array_at(sums, (slices * part,), real), at, slices, part)
            after(e, j, row[e], before[e], d, grads, state)

    return kernel
