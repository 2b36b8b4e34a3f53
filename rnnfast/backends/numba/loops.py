"""The time loops, forward and backward, of some rows of the batch in one layer and direction, for any cell."""

from __future__ import annotations

import numpy as np
from numba import njit

from rnnfast.backends.numba import cells
from rnnfast.backends.numba.compiling import INNER, ONE, ZERO, per_cell
from rnnfast.backends.numba.product import packed_size, product
from rnnfast.backends.numba.rows import add_rows, add_through, begin, cut_rows, gather, gather_masked, scatter, span
from rnnfast.backends.numba.tile import lanes


@njit(**INNER)
def recurrent_sums(run, columns, count, operand, at, panels, start, gates, e):
    """A product with W_hh, whose panels begin at `start`, of rows of a state, added to their entries' gates."""
    size = operand.shape[1]
    place, left = (e * columns + run.slot * size, columns, ONE), (at * size, size, ONE)
    right, sizes = (start, lanes(panels), size * lanes(panels)), (count, size, run.gates * size)
    product(operand.reshape(-1), panels, gates.reshape(-1), sizes, left, right, place)


@per_cell
def forward_loop(cell, shape, sizes, schedule, cut, panels, kept, states, h_after, part):
    """The steps of rows [from, to) of the batch, which are the `part`.

    `schedule`: the first entry of every step and the end of the last, then every entry's row of the batch. `cut`
    (T, B): before which steps a state becomes zeros; empty: none. `panels`: W_hh as packed for each run. `states`:
    those given, flat (L·D, B, H) or empty, and h and c (B, H), which become those after the last step.
    """
    (h0, c0, h, c), (from_row, to_row) = states, part
    steps, size, rows, has_c = sizes.steps, sizes.hidden, schedule[sizes.steps + 1 :], shape.states > 1
    begin(h0, sizes.k, from_row, to_row, h)
    if has_c:
        begin(c0, sizes.k, from_row, to_row, c)
    for n in range(steps):
        v = steps - 1 - n if sizes.reverse else n
        e, count = span(schedule, steps, v, from_row, to_row)
        at = e if sizes.recorded else from_row
        cut_rows(cut, v, from_row, to_row, h)
        gather(count, rows, e, h, kept.h_before, at)
        gather_masked(count, rows, e, h, kept.mask, kept.h_in, at)
        if has_c:
            cut_rows(cut, v, from_row, to_row, c)
            gather(count, rows, e, c, kept.c_before, at)
        start = ZERO
        for run in shape.runs:
            operand = kept.h_in if run.phase == 0 else kept.operand
            recurrent_sums(run, shape.slots * size, count, operand, at, panels, start, kept.gates, e)
            start += packed_size(size, run.gates * size, lanes(panels))
            if run.closes:
                cells.forward(cell, run.phase, count, e, at, kept, h_after)
        scatter(count, rows, e, h_after, e, h)
        if has_c:
            scatter(count, rows, e, kept.c_after, at, c)


@njit(**INNER)
def through_product(run, columns, count, e, gates, weight, at, through, add):
    """The gradient of a product's operand from its entries' gates, put there or added."""
    (start, row, panel), size = at, through.shape[1]
    left, to = (e * columns + run.slot * size, columns, ONE), (ZERO, size, add)
    right, sizes = (start + run.gate * size * row, row, panel), (count, run.gates * size, size)
    product(gates.reshape(-1), weight, through.reshape(-1), sizes, left, right, to)


@per_cell
def backward_loop(cell, shape, sizes, schedule, cut, weight, at, kept, dy, states, norms, part):
    """As `forward_loop`, in reverse: gates become gradients of their pre-activations.

    `weight`: W_hh, which lies `at` its start, from row to row, from panel to panel. dy (n, H), or no rows for zeros.
    `states`: the gradients of the final states, those given, and tables for those of the first ones.
    """
    (dh_n, dc_n, dh, dc), (from_row, to_row) = states, part
    steps, size, rows, has_c = sizes.steps, sizes.hidden, schedule[sizes.steps + 1 :], shape.states > 1
    room = to_row - from_row, size
    d, through, d_c = np.empty(room, dh.dtype), np.empty(room, dh.dtype), np.empty(room, dh.dtype)
    begin(dh_n, sizes.k, from_row, to_row, dh)
    if has_c:
        begin(dc_n, sizes.k, from_row, to_row, dc)
    for n in range(steps):
        v = n if sizes.reverse else steps - 1 - n
        e, count = span(schedule, steps, v, from_row, to_row)
        gather(count, rows, e, dh, d, ZERO)
        add_rows(count, dy, e, d)
        if has_c:
            gather(count, rows, e, dc, d_c, ZERO)
        if norms.shape[0] > 0:
            cells.squares(cell, count, e, kept, d, d_c, norms)
        for i in range(len(shape.runs)):
            run = shape.runs[len(shape.runs) - 1 - i]
            if run.closes:
                cells.backward(cell, run.phase, count, e, kept, d, d_c, through)
            through_product(run, shape.slots * size, count, e, kept.gates, weight, at, through, int(i > 0))
        if has_c:
            scatter(count, rows, e, d_c, ZERO, dc)
            cut_rows(cut, v, from_row, to_row, dc)
        add_through(count, rows, e, through, kept.mask, d)
        scatter(count, rows, e, d, ZERO, dh)
        cut_rows(cut, v, from_row, to_row, dh)
