"""Gradients of a layer's inputs and parameters, from those of the pre-activations of every entry."""

from __future__ import annotations

import numpy as np
from numba import njit

from rnnfast.backends.numba.compiling import INLINED, INNER, ONE, ZERO
from rnnfast.backends.numba.kept import starts
from rnnfast.backends.numba.panels import is_packed, packed_size, right
from rnnfast.backends.numba.product import product
from rnnfast.backends.numba.shapes import Shape, Sizes
from rnnfast.backends.numba.stages import ADD, ADD_INPUT, BIAS, INPUT, PACK, RUN, W_HH, W_IH, part_of
from rnnfast.backends.numba.vectors import lanes


def room(shape: Shape, sizes: Sizes, entries: int, width: int) -> int:
    """Return how many numbers backward packs at most at a time: weights, the inputs, or operands."""
    rows, hidden, state, inputs = shape.gates * sizes.hidden, sizes.hidden, sizes.state, sizes.inputs
    used = [
        (rows, inputs, entries, 1),
        (entries, inputs, rows, 1),
        (entries, state, rows, shape.phases),
    ]
    loop = 0
    if shape.projects:  # in the time loop W_hr lies behind the room of W_hh
        loop = int(packed_size(rows, state, width)) + int(packed_size(state, hidden, width))
        used += [(entries, hidden, state, 1)]
    else:
        used += [(rows, state, entries, 1)]
    needs = (
        times * packed_size(depth, columns, width)
        for depth, columns, readers, times in used
        if is_packed(depth, columns, readers, width)
    )
    most: int = max(loop, *needs, 0)
    return most


@njit(**INLINED)
def input_gradient(gates, weight, at, dx, sizes, part, add):
    """dL/dx of the entries [first, last), put there or added.

    `weight`: W_ih, which lies `at` its start, from row to row, from panel to panel. `sizes`: rows of W_ih, inputs.
    """
    (first, last), (rows, inputs), columns = part, sizes, gates.shape[1]
    left, to = (first * columns, columns, ONE), (first * inputs, inputs, add)
    product(gates.reshape(-1), weight, dx, (last - first, rows, inputs), left, at, to)


@njit(**INLINED)
def weight_gradient(gates, column, b, at, to, part, add):
    """Rows [first, last) of a gradient, put there or added: gates from `column` on, transposed, times B."""
    (first, last), (entries, columns), width = part, gates.shape, to.shape[1]
    if entries == 0 and not add:
        to[first:last] = 0
    left, place = (column, ONE, columns), (first * width, width, add)
    product(gates.reshape(-1), b, to.reshape(-1), (last - first, entries, width), left, at, place)


@njit(**INLINED)
def recurrent_gradient(shape, sizes, numbers, gates, to, work, part, add, pack):
    """Rows [first, last) of the gradient of W_hh, each from the operand of its phase, packed if `pack`.

    No rows: nothing but packing is done.
    """
    entries, size, width = gates.shape[0], sizes.hidden, sizes.state
    at = starts(shape, sizes, entries)
    place = at[3] if sizes.masked else at[2]
    for r in range(shape.used):
        run = shape.runs[r]
        begins = run.phase * packed_size(entries, width, lanes(work))
        matrix = (place if run.phase == 0 else at[4], entries, width)
        opens = r == 0 or shape.runs[r - 1].closes > 0  # runs of a phase have one operand
        b, where = right(numbers, matrix, shape.gates * size, work, begins, pack and opens)
        first, last = max(part[0], run.gate * size), min(part[1], (run.gate + run.gates) * size)
        if first < last:
            column = (run.slot - run.gate) * size + first
            weight_gradient(gates, column, b, where, to, (first, last), add)


@njit(**INNER)
def projection_gradient(shape, sizes, d_after, numbers, to, work, stage):
    """Rows [first, last) of the gradient of W_hr, (P, H), from dL/dh' and its operand of every entry."""
    what, first, last = stage
    entries = d_after.shape[0]
    place = starts(shape, sizes, entries)[4]
    b, at = right(numbers, (place, entries, sizes.hidden), sizes.state, work, ZERO, what & PACK > 0)
    if what & RUN:
        part = part_of(first, last, sizes.state)
        weight_gradient(d_after, part[0], b, at, to, part, int(what & ADD > 0))


@njit(**INNER)
def bias_gradients(shape, gates, d_ih, d_hh, add):
    """The sums over all entries, put there or added; those of an empty array are not wanted."""
    columns = gates.shape[1]
    size = columns // shape.slots
    sums = np.zeros(columns)
    for e in range(gates.shape[0]):
        for j in range(columns):
            sums[j] += gates[e, j]
    for j in range(d_ih.shape[0]):
        d_ih[j] = sums[j] + (d_ih[j] if add else 0)
    for r in range(shape.used):
        run = shape.runs[r]
        for j in range(run.gate * size, (run.gate + run.gates) * size if d_hh.shape[0] > 0 else 0):
            d_hh[j] = sums[j + (run.slot - run.gate) * size] + (d_hh[j] if add else 0)


@njit(**INNER)
def gradients(shape, sizes, gates, numbers, w_ih, x, dx, weights, biases, work, stage):
    """The stages after the time loop. `stage`: what is done, in which part [first, last)."""
    (what, first, last), (d_ih, d_hh), (db_ih, db_hh) = stage, weights, biases
    entries, rows, pack, run = gates.shape[0], shape.gates * sizes.hidden, what & PACK > 0, what & RUN > 0
    part, add = part_of(first, last, rows), int(what & ADD > 0)
    if what & INPUT:
        b, at = right(w_ih.reshape(-1), (ZERO, rows, sizes.inputs), entries, work, ZERO, pack)
        if run:
            to, sums = part_of(first, last, entries), (rows, sizes.inputs)
            input_gradient(gates, b, at, dx, sums, to, int(what & ADD_INPUT > 0))
    if what & W_IH:
        b, at = right(x, (ZERO, entries, sizes.inputs), rows, work, ZERO, pack)
        if run:
            weight_gradient(gates, part[0], b, at, d_ih, part, add)
    if what & W_HH:
        recurrent_gradient(shape, sizes, numbers, gates, d_hh, work, part if run else (ZERO, ZERO), add, pack)
    if what & BIAS and run:
        bias_gradients(shape, gates, db_ih, db_hh, add)
