"""What Python calls: the whole of a layer and direction at once, or, for threads to share, one stage of it in parts."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from numba import njit
from numba.extending import register_jitable

from rnnfast.backends.numba.compiling import OPTIONS, ZERO
from rnnfast.backends.numba.gradients import bias_gradients, input_gradient, recurrent_gradient, weight_gradient
from rnnfast.backends.numba.kept import tables
from rnnfast.backends.numba.loops import backward_loop, forward_loop
from rnnfast.backends.numba.parameters import pack_weights, panel_starts, project
from rnnfast.backends.numba.product import right
from rnnfast.backends.numba.shapes import shape_of, sizes_of
from rnnfast.backends.numba.tile import lanes

PACK, RUN, PROJECT, LOOP, INPUT, W_IH, W_HH, BIAS, ADD, ADD_INPUT = (1 << n for n in range(10))
"""`what` is done, as a sum: pack what is multiplied with, run, both for certain stages; add to the gradients that are
there, those of the parameters or of the input. Parts of a stage are entries of PROJECT and INPUT, rows of the batch of
LOOP, rows of the weight of W_IH and W_HH."""
ALL = -1
"""The end of a part that is everything."""


class Kernels(NamedTuple):
    """Those of one cell."""

    forward: Callable[..., None]
    backward: Callable[..., None]


@functools.cache
def kernels_of(cell: str) -> Kernels:
    """Return the kernels of a cell, which are compiled when they are first called with a dtype."""
    return Kernels(_forward(cell), _backward(cell))


@register_jitable
def part_of(first: int, last: int, count: int) -> tuple[int, int]:
    """Return the part [first, last) of so many."""
    return first, count if last == ALL else last


@register_jitable
def state_of(sizes: Any, array: Any) -> Any:
    """Return a layer and direction's (B, H) of a flat (L·D, B, H); without rows where there is none."""
    count = sizes.batch * sizes.hidden if array.shape[0] > 0 else 0
    return array[sizes.k * count : (sizes.k + 1) * count].reshape(count // sizes.hidden, sizes.hidden)


def _forward(cell: str) -> Any:
    shape = shape_of(cell)

    @njit(**OPTIONS)
    def forward(
        plan, schedule, cut, x, h0, c0, h_n, c_n, numbers, w_ih, w_hh, b_ih, b_hh, panels, output, what, first, last
    ):  # fmt: skip
        sizes = sizes_of(plan)
        entries = schedule.shape[0] - sizes.steps - 1
        kept = tables(shape, sizes, entries, numbers)
        if what & PACK:
            pack_weights(shape, sizes, w_ih, w_hh, b_ih, b_hh, panels)
        if what & PROJECT:
            start, end = part_of(first, last, entries)
            project(shape, sizes, x, panels, kept.gates, start, end)
        if what & LOOP:
            part, (_, hh, end) = part_of(first, last, sizes.batch), panel_starts(shape, sizes, lanes(panels))
            states = h0, c0, state_of(sizes, h_n), state_of(sizes, c_n)
            h_after = output.reshape(entries, sizes.hidden)
            forward_loop(cell, shape, sizes, schedule, cut, panels[hh:end], kept, states, h_after, part)

    return forward


def _backward(cell: str) -> Any:
    shape = shape_of(cell)

    @njit(**OPTIONS)
    def backward(
        plan, schedule, w_ih, w_hh, work, cut, x, dy, dh_n, dc_n, dh0, dc0, dx, numbers, d_ih, d_hh, db_ih, db_hh,
        norms, what, first, last,
    ):  # fmt: skip
        sizes = sizes_of(plan)
        entries, rows = schedule.shape[0] - sizes.steps - 1, shape.gates * sizes.hidden
        kept, part, pack = tables(shape, sizes, entries, numbers), part_of(first, last, rows), what & PACK > 0
        gates, run, add = kept.gates, what & RUN > 0, int(what & ADD > 0)
        if what & LOOP:
            weight, at = right(w_hh.reshape(-1), (ZERO, rows, sizes.hidden), entries, work, ZERO, pack)
            if run:
                states = dh_n, dc_n, state_of(sizes, dh0), state_of(sizes, dc0)
                d, to = dy.reshape(dy.shape[0] // sizes.hidden, sizes.hidden), part_of(first, last, sizes.batch)
                backward_loop(cell, shape, sizes, schedule, cut, weight, at, kept, d, states, norms, to)
        if what & INPUT:
            weight, at = right(w_ih.reshape(-1), (ZERO, rows, sizes.inputs), entries, work, ZERO, pack)
            if run:
                to, sums = part_of(first, last, entries), (rows, sizes.inputs)
                input_gradient(gates, weight, at, dx, sums, to, int(what & ADD_INPUT > 0))
        if what & W_IH:
            b, at = right(x, (ZERO, entries, sizes.inputs), rows, work, ZERO, pack)
            if run:
                weight_gradient(gates, part[0], b, at, d_ih, part, add)
        if what & W_HH:
            recurrent_gradient(shape, sizes, numbers, gates, d_hh, work, part if run else (ZERO, ZERO), add, pack)
        if what & BIAS and run:
            bias_gradients(shape, gates, db_ih, db_hh, add)

    return backward
