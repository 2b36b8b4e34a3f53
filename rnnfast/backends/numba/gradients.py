"""Gradients of a layer's inputs and parameters, from those of the pre-activations of every entry."""

from __future__ import annotations

import numpy as np
from numba import njit

from rnnfast.backends.numba.compiling import INNER, ONE
from rnnfast.backends.numba.kept import starts
from rnnfast.backends.numba.product import is_packed, packed_size, product, right
from rnnfast.backends.numba.shapes import Shape, Sizes
from rnnfast.backends.numba.tile import lanes


def room(shape: Shape, sizes: Sizes, entries: int, width: int) -> int:
    """Return how many numbers backward packs at most at a time: a weight, the inputs, or the operands of W_hh."""
    rows, hidden, inputs = shape.gates * sizes.hidden, sizes.hidden, sizes.inputs
    used = (
        (rows, hidden, entries, 1),
        (rows, inputs, entries, 1),
        (entries, inputs, rows, 1),
        (entries, hidden, rows, shape.phases),
    )
    needs = (
        times * packed_size(depth, columns, width)
        for depth, columns, readers, times in used
        if is_packed(depth, columns, readers, width)
    )
    return max(needs, default=0)


@njit(**INNER)
def input_gradient(gates, weight, at, dx, sizes, part, add):
    """dL/dx of the entries [first, last), put there or added.

    `weight`: W_ih, which lies `at` its start, from row to row, from panel to panel. `sizes`: rows of W_ih, inputs.
    """
    (first, last), (rows, inputs), columns = part, sizes, gates.shape[1]
    left, to = (first * columns, columns, ONE), (first * inputs, inputs, add)
    product(gates.reshape(-1), weight, dx, (last - first, rows, inputs), left, at, to)


@njit(**INNER)
def weight_gradient(gates, column, b, at, to, part, add):
    """Rows [first, last) of a gradient, put there or added: gates from `column` on, transposed, times B."""
    (first, last), (entries, columns), width = part, gates.shape, to.shape[1]
    if entries == 0 and not add:
        to[first:last] = 0
    left, place = (column, ONE, columns), (first * width, width, add)
    product(gates.reshape(-1), b, to.reshape(-1), (last - first, entries, width), left, at, place)


@njit(**INNER)
def recurrent_gradient(shape, sizes, numbers, gates, to, work, part, add, pack):
    """Rows [first, last) of the gradient of W_hh, each from the operand of its phase, packed if `pack`.

    No rows: nothing but packing is done.
    """
    entries, size = gates.shape[0], sizes.hidden
    at = starts(shape, sizes, entries)
    place = at[3] if sizes.masked else at[2]
    for run in shape.runs:
        begins = run.phase * packed_size(entries, size, lanes(work))
        matrix = (place if run.phase == 0 else at[4], entries, size)
        b, where = right(numbers, matrix, shape.gates * size, work, begins, pack)
        first, last = max(part[0], run.gate * size), min(part[1], (run.gate + run.gates) * size)
        if first < last:
            column = (run.slot - run.gate) * size + first
            weight_gradient(gates, column, b, where, to, (first, last), add)


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
    for run in shape.runs:
        for j in range(run.gate * size, (run.gate + run.gates) * size if d_hh.shape[0] > 0 else 0):
            d_hh[j] = sums[j + (run.slot - run.gate) * size] + (d_hh[j] if add else 0)
