"""One layer and direction on the Numba CPU backend: products over all steps, and the time loops between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast.backends.reference_cells import Weights
from rnnfast.numba_kernels import gemm, loops
from rnnfast.numba_kernels.entries import Entries
from rnnfast.numba_kernels.steps import CODES
from rnnfast.numba_kernels.tile import lanes
from rnnfast.problem import Array


@dataclass(frozen=True)
class Shape:
    """How a cell's row of gates is laid out, in units of H: PyTorch's gates, then a recurrent sum that stays apart.

    `recurrent`: the gates of W_hh that a product has, and the column where its sums begin; two products at most.
    """

    slots: int
    inputs: int
    recurrent: tuple[tuple[slice, int], ...]


SHAPES = {
    **dict.fromkeys(("rnn_tanh", "rnn_relu", "rnn_linear"), Shape(1, 1, ((slice(0, 1), 0),))),
    "lstm": Shape(4, 4, ((slice(0, 4), 0),)),
    "gru": Shape(4, 3, ((slice(0, 2), 0), (slice(2, 3), 3))),
    "gru_before": Shape(3, 3, ((slice(0, 2), 0), (slice(2, 3), 2))),
}


class Layer:
    """A layer and direction in one call: what forward leaves is what backward needs."""

    x_mask: Array | None = None
    """(entries, I): factors of dropout on the input."""

    def __init__(self, cell: str, weights: Weights, entries: Entries, mask: Array | None) -> None:
        self.code, self.shape, self.weights, self.entries = CODES[cell], SHAPES[cell], weights, entries
        self.hidden, self.dtype = weights.hh.shape[1], weights.hh.dtype
        self.mask = self.empty(0) if mask is None else mask

    def empty(self, rows: int) -> Array:
        """A new (rows, H) array."""
        return np.empty((rows, self.hidden), self.dtype)

    def rows_of(self, gates: slice) -> slice:
        """Of a weight, those of these gates."""
        return slice(gates.start * self.hidden, gates.stop * self.hidden)

    def columns(self) -> tuple[int, int, int, int]:
        """Where each of two recurrent products has its sums, and how many."""
        parts = [(at * self.hidden, (gates.stop - gates.start) * self.hidden) for gates, at in self.shape.recurrent]
        (first, width), (second, more) = parts[0], parts[1] if len(parts) > 1 else (0, 0)
        return first, width, second, more

    def forward(self, x: Array, h: Array, c: Array) -> Array:
        """h' of every entry from x (entries, I); h and c (B, H) become the final states."""
        n, size = self.entries.count, self.hidden
        two = self.code == CODES["lstm"]
        self.x, self.gates, self.h_before, h_after = x, self.initial_gates(n), self.empty(n), self.empty(n)
        self.h_in = self.empty(n) if len(self.mask) else self.h_before
        self.operand = self.empty(n if self.code == CODES["gru_before"] else 0)
        self.c_before, self.c_after = self.empty(n if two else 0), self.empty(n if two else 0)
        multiply(x, packed_columns(self.weights.ih), self.gates, self.shape.inputs * size)
        panels = self.recurrent_panels(packed_columns)
        kept = (self.h_before, self.h_in, self.operand, self.c_before, self.c_after, h_after)
        loops.forward_loop(
            self.code, self.entries.plan(0, len(h)), self.columns(), panels, self.gates, h, c, self.mask, *kept
        )
        return h_after

    def recurrent_panels(self, packed: Callable[[Array], Array]) -> tuple[Array, Array]:
        """W_hh for two products; the second is not used where there is one."""
        parts = [packed(self.weights.hh[self.rows_of(gates)]) for gates, _ in self.shape.recurrent]
        return parts[0], parts[-1]

    def initial_gates(self, count: int) -> Array:
        """Biases, for every entry."""
        gates = np.zeros((count, self.shape.slots * self.hidden), self.dtype)
        if self.weights.b_ih is not None and self.weights.b_hh is not None:
            gates[:, : len(self.weights.b_ih)] = self.weights.b_ih
            for part, at in self.shape.recurrent:
                bias = self.weights.b_hh[self.rows_of(part)]
                gates[:, at * self.hidden : at * self.hidden + len(bias)] += bias
        return gates

    def backward(self, dy: Array, dh: Array, dc: Array, norms: Array) -> None:
        """dh and dc (B, H) go from the final states' gradients to the first ones'; gates become gradients."""
        panels = self.recurrent_panels(packed_rows)
        kept = (self.h_before, self.h_in, self.operand, self.c_before, self.c_after, norms)
        plan = self.entries.plan(0, len(dh))
        loops.backward_loop(self.code, plan, self.columns(), panels, self.gates, dy, dh, dc, self.mask, *kept)

    def input_gradient(self) -> Array:
        """dL/dx of every entry."""
        dx = np.zeros((self.entries.count, self.weights.ih.shape[1]), self.dtype)
        multiply(self.gates, packed_rows(self.weights.ih), dx, dx.shape[1])
        return dx

    def weight_gradients(self) -> tuple[Array, Array]:
        """dL/dW_ih and dL/dW_hh."""
        d_ih, d_hh = np.zeros_like(self.weights.ih), np.zeros_like(self.weights.hh)
        self.add_weight_gradient(d_ih, 0, self.x)
        for n, (part, at) in enumerate(self.shape.recurrent):
            before = n == 1 and len(self.operand) > 0
            self.add_weight_gradient(d_hh[self.rows_of(part)], at, self.operand if before else self.h_in)
        return d_ih, d_hh

    def add_weight_gradient(self, to: Array, at: int, right: Array) -> None:
        """to += gates^T times `right`, of as many columns of the gates as `to` has rows, from unit `at` * H on."""
        width, columns, flat = self.gates.shape[1], to.shape[1], self.gates.reshape(-1)
        gemm.product(len(to), flat, at * self.hidden, 1, width, packed_rows(right), to.reshape(-1), 0, columns, columns)

    def bias_gradients(self) -> tuple[Array, Array]:
        """dL/db_ih and dL/db_hh."""
        sums = self.gates.sum(axis=0, dtype=np.float64).astype(self.dtype)
        d_ih, d_hh = sums[: len(self.weights.ih)], np.empty(len(self.weights.hh), self.dtype)
        for part, at in self.shape.recurrent:
            rows = self.rows_of(part)
            d_hh[rows] = sums[at * self.hidden :][: rows.stop - rows.start]
        return d_ih, d_hh


def multiply(a: Array, panels: Array, c: Array, columns: int) -> None:
    """c[:, :columns] += a B; a may have more columns than B has rows."""
    gemm.product(len(a), a.reshape(-1), 0, a.shape[1], 1, panels, c.reshape(-1), 0, c.shape[1], columns)


def packed_rows(weight: Array) -> Array:
    """(K, N) as panels."""
    panels = _panels(weight.shape[0], weight.shape[1], weight.dtype)
    gemm.pack_rows(weight, panels)
    return panels


def packed_columns(weight: Array) -> Array:
    """The transpose of (N, K) as panels."""
    panels = _panels(weight.shape[1], weight.shape[0], weight.dtype)
    gemm.pack_columns(weight, panels)
    return panels


def _panels(depth: int, columns: int, dtype: np.dtype[Any]) -> Array:
    width = lanes(dtype.itemsize)
    return np.empty((-(-columns // width), depth, width), dtype)
