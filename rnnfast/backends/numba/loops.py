"""The kernels that Python calls: the time loops of any cell, and all that one layer and direction does around them.

A call does everything at once or, for threads to share, one stage of it in parts.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba import njit
from numba.extending import register_jitable

from rnnfast.backends.numba import cells
from rnnfast.backends.numba.compiling import INLINED, ONE, OPTIONS, ZERO
from rnnfast.backends.numba.gradients import gradients, projection_gradient
from rnnfast.backends.numba.kept import output_gradients, tables
from rnnfast.backends.numba.panels import packed_size, right
from rnnfast.backends.numba.parameters import pack_weights, panel_starts, project
from rnnfast.backends.numba.product import product
from rnnfast.backends.numba.rows import add_rows, add_through, begin, cut_rows, gather, gather_masked, scatter, span
from rnnfast.backends.numba.shapes import shape_of, sizes_of
from rnnfast.backends.numba.stages import LOOP, PACK, PROJECT, RUN, W_HR, part_of
from rnnfast.backends.numba.vectors import lanes


@register_jitable
def state_of(sizes: Any, size: Any, array: Any) -> Any:
    """Return a layer and direction's (B, size) of a flat (L·D, B, size); without rows where there is none."""
    count = sizes.batch * size if array.shape[0] > 0 else 0
    return array[sizes.k * count : (sizes.k + 1) * count].reshape(count // size, size)


@njit(**INLINED)
def recurrent_sums(run, size, columns, count, operand, at, panels, start, gates, e):
    """A product with W_hh, whose panels begin at `start`, of rows of a state, added to their entries' gates."""
    depth = operand.shape[1]
    place, left = (e * columns + run.slot * size, columns, ONE), (at * depth, depth, ONE)
    right, sizes = (start, lanes(panels), depth * lanes(panels)), (count, depth, run.gates * size)
    product(operand.reshape(-1), panels, gates.reshape(-1), sizes, left, right, place)


@njit(**INLINED)
def projected(count, operand, at, panels, start, h_after, e):
    """h' of some entries: the product of W_hr, whose panels begin at `start`, with what the cell left."""
    (_, depth), size = operand.shape, h_after.shape[1]
    left, right = (at * depth, depth, ONE), (start, lanes(panels), depth * lanes(panels))
    product(operand.reshape(-1), panels, h_after.reshape(-1), (count, depth, size), left, right, (e * size, size, ZERO))


def forward_of(cell: str) -> Any:
    """Return forward of a cell: h' of every entry to `output`, and what is kept to `numbers`; all arrays are flat.

    `schedule`: the first entry of every step and the end of the last, then every entry's row of the batch. `cut`
    (T, B): before which steps a state becomes zeros; empty: none. h0, c0: the states before, or empty; h_n and c_n:
    those after the last step. `panels`: the packed parameters. `what` is done in the part [first, last) of its stage.
    """
    shape = shape_of(cell)
    has_c, projects = shape.states > 1, shape.projects > 0

    @njit(**OPTIONS)
    def forward(
        plan, schedule, cut, x, h0, c0, h_n, c_n, numbers, w_ih, w_hh, b_ih, b_hh, w_hr, panels, output,
        what, first, last,
    ):  # fmt: skip
        sizes = sizes_of(plan)
        steps, size, width = sizes.steps, sizes.hidden, lanes(panels)
        rows = schedule[steps + 1 :]
        kept = tables(shape, sizes, rows.shape[0], numbers)
        if what & PACK:
            pack_weights(shape, sizes, w_ih, w_hh, b_ih, b_hh, w_hr, panels)
        if what & PROJECT:
            project(shape, sizes, x, panels, kept.gates, part_of(first, last, rows.shape[0]))
        from_row, to_row = part_of(first, last, sizes.batch)
        h, c, h_after = (
            state_of(sizes, sizes.state, h_n),
            state_of(sizes, size, c_n),
            output.reshape(rows.shape[0], sizes.state),
        )
        if what & LOOP:
            begin(h0, sizes.k, from_row, to_row, h)
            if has_c:
                begin(c0, sizes.k, from_row, to_row, c)
        for n in range(steps if what & LOOP else 0):
            v = steps - 1 - n if sizes.reverse else n
            e, count = span(schedule, steps, v, from_row, to_row)
            at = e if sizes.recorded else from_row
            cut_rows(cut, v, from_row, to_row, h)
            gather(count, rows, e, h, kept.h_before, at)
            gather_masked(count, rows, e, h, kept.mask, kept.h_in, at)
            if has_c:
                cut_rows(cut, v, from_row, to_row, c)
                gather(count, rows, e, c, kept.c_before, at)
            start = panel_starts(shape, sizes, width)[1]
            for r in range(shape.used):
                run = shape.runs[r]
                operand = kept.h_in if run.phase == 0 else kept.operand
                recurrent_sums(run, size, shape.slots * size, count, operand, at, panels, start, kept.gates, e)
                start += packed_size(sizes.state, run.gates * size, width)
                if run.closes:
                    cells.forward(cell, run.phase, count, e, at, kept, h_after)
            if projects:
                projected(count, kept.operand, at, panels, start, h_after, e)
            scatter(count, rows, e, h_after, e, h)
            if has_c:
                scatter(count, rows, e, kept.c_after, at, c)

    return forward


@njit(**INLINED)
def through_product(run, size, columns, count, e, gates, weight, at, through, add):
    """The gradient of a product's operand from its entries' gates, put there or added."""
    (start, row, panel), width = at, through.shape[1]
    left, to = (e * columns + run.slot * size, columns, ONE), (ZERO, width, add)
    right, sizes = (start + run.gate * size * row, row, panel), (count, run.gates * size, width)
    product(gates.reshape(-1), weight, through.reshape(-1), sizes, left, right, to)


@njit(**INLINED)
def through_projection(count, e, d_after, d, weight, at, d_shown):
    """The gradient of what the cell left for the product with W_hr, from dL/dh', which is kept; `d` becomes zeros."""
    depth, size = d.shape[1], d_shown.shape[1]
    for k in range(count):
        d_after[e + k] = d[k]
        d[k] = 0
    left, to = (e * depth, depth, ONE), (ZERO, size, ZERO)
    product(d_after.reshape(-1), weight, d_shown.reshape(-1), (count, depth, size), left, at, to)


def backward_of(cell: str) -> Any:
    """Return backward of a cell, `forward_of` in reverse; what is kept is changed: gates become their gradients.

    dy: dL/dh' of every entry by way of the outputs, flat or empty. dh_n, dc_n: gradients of the final states, or
    empty; dh0 and dc0 become those of the first ones. dx (n, I), flat; `norms` (n, 2), or no rows where not wanted.
    """
    shape = shape_of(cell)
    has_c, projects = shape.states > 1, shape.projects > 0

    @njit(**OPTIONS)
    def backward(
        plan, schedule, w_ih, w_hh, w_hr, work, cut, x, dy, dh_n, dc_n, dh0, dc0, dx, numbers, d_ih, d_hh, db_ih, db_hh,
        d_hr, norms, what, first, last,
    ):  # fmt: skip
        sizes = sizes_of(plan)
        steps, size, rows = sizes.steps, sizes.hidden, schedule[sizes.steps + 1 :]
        kept, pack, loops = tables(shape, sizes, rows.shape[0], numbers), what & PACK > 0, what & LOOP > 0
        (from_row, to_row), weight, at = part_of(first, last, sizes.batch), w_hh.reshape(-1), (ZERO, ZERO, ZERO)
        state, of_hr, at_hr = sizes.state, weight, at
        if loops:
            weight, at = right(weight, (ZERO, shape.gates * size, state), rows.shape[0], work, ZERO, pack)
        if loops and projects:
            behind = packed_size(shape.gates * size, state, lanes(work))
            of_hr, at_hr = right(w_hr.reshape(-1), (ZERO, state, size), rows.shape[0], work, behind, pack)
        loops = loops and what & RUN > 0
        dh, dc, dh_after = (
            state_of(sizes, state, dh0),
            state_of(sizes, size, dc0),
            dy.reshape(dy.shape[0] // state, state),
        )
        room = to_row - from_row if loops else 0
        d, through = np.empty((room, state), dh.dtype), np.empty((room, state), dh.dtype)
        d_c, shown, d_after = np.empty((room, size), dh.dtype), d, d
        if projects:
            shown = np.empty((room, size), dh.dtype)
            d_after = output_gradients(shape, sizes, rows.shape[0], numbers)
        if loops:
            begin(dh_n, sizes.k, from_row, to_row, dh)
            if has_c:
                begin(dc_n, sizes.k, from_row, to_row, dc)
        for n in range(steps if loops else 0):
            v = n if sizes.reverse else steps - 1 - n
            e, count = span(schedule, steps, v, from_row, to_row)
            gather(count, rows, e, dh, d, ZERO)
            add_rows(count, dh_after, e, d)
            if has_c:
                gather(count, rows, e, dc, d_c, ZERO)
            if norms.shape[0] > 0:
                cells.h_squares(count, e, d, norms)
            if projects:
                through_projection(count, e, d_after, d, of_hr, at_hr, shown)
            if norms.shape[0] > 0 and has_c:
                cells.c_squares(cell, count, e, kept, shown, d_c, norms)
            for i in range(shape.used):
                run = shape.runs[shape.used - 1 - i]
                if run.closes:
                    cells.backward(cell, run.phase, count, e, kept, shown, d_c, through)
                through_product(run, size, shape.slots * size, count, e, kept.gates, weight, at, through, int(i > 0))
            if has_c:
                scatter(count, rows, e, d_c, ZERO, dc)
                cut_rows(cut, v, from_row, to_row, dc)
            add_through(count, rows, e, through, kept.mask, d)
            scatter(count, rows, e, d, ZERO, dh)
            cut_rows(cut, v, from_row, to_row, dh)
        gradients(
            shape, sizes, kept.gates, numbers, w_ih, x, dx, (d_ih, d_hh), (db_ih, db_hh), work, (what, first, last)
        )
        if projects and what & W_HR:
            projection_gradient(shape, sizes, d_after, numbers, d_hr, work, (what, first, last))

    return backward


@functools.cache
def kernels_of(cell: str) -> tuple[Any, Any]:
    """Return forward and backward of a cell, which are compiled when they are first called with a dtype."""
    return forward_of(cell), backward_of(cell)
