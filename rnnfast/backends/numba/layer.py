"""One layer and direction on the Numba CPU backend: its arrays, and the kernels in turn."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnfast.backends.common.layers import weights_of
from rnnfast.backends.numba import cells, loops
from rnnfast.backends.numba.entries import Entries
from rnnfast.backends.numba.operands import Packed, pack, right
from rnnfast.backends.numba.product import product
from rnnfast.backends.numba.shapes import Shape, shape_of
from rnnfast.backends.numba.threads import share
from rnnfast.backends.numba.tile import lanes
from rnnfast.problem import Array, Problem

States = Sequence[Array | None]
"""h and c (L·D, B, H); None, or the end of the sequence, where there is none."""
BLOCK = 192
"""Entries whose gates stay in the cache between the biases that are put there and the sums."""


def shape_for(problem: Problem, k: int) -> Shape:
    """The sizes of layer-direction k."""
    return shape_of(problem.cell, problem.weight_ih[k].shape[1], problem.hidden_size)


class Layer:
    """A layer and direction in one call: what forward leaves is what backward needs."""

    def __init__(
        self, problem: Problem, k: int, entries: Entries, cut: Array, mask: Array | None, x_mask: Array | None
    ) -> None:
        """`mask` (B, H) and `x_mask` (entries, I): factors of dropout."""
        self.weights, self.entries, self.cut, self.x_mask = weights_of(problem, k), entries, cut, x_mask
        self.shape, self.dtype, self.reverse = shape_for(problem, k), problem.dtype, problem.direction(k) == 1
        self.packed: Packed | None = None if problem.packed is None else problem.packed[k]
        self.none = self.empty(0)
        self.mask = self.none if mask is None else mask

    def __deepcopy__(self, memo: dict[int, Any]) -> Layer:
        """For a tape that serves several backwards: each changes the gates."""
        twin = copy.copy(self)
        twin.gates = self.gates.copy()
        return twin

    @property
    def c_after(self) -> Array:
        """c' of every entry."""
        return self.kept[4]

    def empty(self, rows: int) -> Array:
        """A new (rows, H) array."""
        return np.empty((rows, self.shape.hidden), self.dtype)

    def states(self, k: int, given: States, wanted: States) -> tuple[Array, Array]:
        """Of h and c (B, H) where layer-direction k's go, what they start from: given, or zeros."""
        found = [self.none] * 2
        for n in range(2 if self.shape.cell == cells.LSTM else 1):
            start = given[n] if n < len(given) else None
            result = wanted[n] if n < len(wanted) else None
            table = self.empty(self.entries.batch) if result is None else result[k]
            table[...] = 0 if start is None else start[k]
            found[n] = table
        return found[0], found[1]

    def forward(self, x: Array, h: Array, c: Array, h_after: Array, *, record: bool) -> None:
        """h' of every entry from x (entries, I); h and c (B, H) become the final states."""
        shape, entries, n = self.shape, self.entries, self.entries.count
        rows = n if record else entries.batch
        self.x, self.gates, h_before = x, np.empty((n, shape.columns), self.dtype), self.empty(rows)
        h_in = self.empty(rows) if len(self.mask) else h_before
        operand = self.empty(rows) if shape.cell == cells.GRU_BEFORE else self.none
        c_before, c_after = (self.empty(rows) if shape.cell == cells.LSTM else self.none for _ in range(2))
        self.kept = h_before, h_in, operand, c_before, c_after

        packed = pack(shape, self.weights, keep=False) if self.packed is None else self.packed

        def project(first: int, last: int) -> None:
            self.project(packed, first, last)

        def loop(from_row: int, to_row: int) -> None:
            part = (*entries.part(from_row, to_row), self.reverse, record)
            state = h, c, self.mask, self.kept, h_after
            loops.forward_loop(shape, part, entries.rows, self.cut, packed.hh, self.gates, *state)

        share(project, n, n * shape.rows * shape.inputs)
        share(loop, entries.batch, n * shape.rows * shape.hidden)
        self.packed = None  # backward reads the weights as they are

    def project(self, packed: Packed, first: int, last: int) -> None:
        """gates = biases + W_ih x, of the entries [first, last)."""
        (_, inputs, _, rows, columns, _, _), width = self.shape, lanes(self.x)
        for e in range(first, last, BLOCK):
            count = min(BLOCK, last - e)
            self.gates[e : e + count] = packed.bias
            left, to = (e * inputs, inputs, 1), (e * columns, columns, 1)
            product(self.x, packed.ih, self.gates, (count, inputs, rows), left, (0, width, inputs * width), to)

    def backward(self, dy: Array, dh: Array, dc: Array, norms: Array) -> None:
        """dh and dc (B, H) go from the final states' gradients to the first ones'; gates become gradients."""
        shape, entries, weight = self.shape, self.entries, right(self.weights.hh, self.entries.count)

        def loop(from_row: int, to_row: int) -> None:
            part = (*entries.part(from_row, to_row), self.reverse, True)
            state = dy, dh, dc, self.mask, self.kept, norms
            loops.backward_loop(shape, part, entries.rows, self.cut, weight, self.gates, *state)

        share(loop, entries.batch, entries.count * shape.rows * shape.hidden)
