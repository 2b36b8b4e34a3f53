"""Gradients of a layer's inputs and parameters, from those of the pre-activations of every entry."""

from __future__ import annotations

import numpy as np

from rnnfast.backends.numba import cells, parameters
from rnnfast.backends.numba.layer import Layer
from rnnfast.backends.numba.operands import right
from rnnfast.backends.numba.product import product
from rnnfast.backends.numba.threads import share
from rnnfast.problem import Array


def input_gradient(layer: Layer, others: Array | None) -> Array:
    """dL/dx of every entry, added to what the other direction gave, if it has."""
    gates, (_, inputs, _, rows, columns, _, _) = layer.gates, layer.shape
    dx = np.empty((len(gates), inputs), layer.dtype) if others is None else others
    weight, row, panel = right(layer.weights.ih, len(gates))

    def part(first: int, last: int) -> None:
        left, to = (first * columns, columns, 1), (first * inputs, inputs, int(others is not None))
        product(gates, weight, dx, (last - first, rows, inputs), left, (0, row, panel), to)

    share(part, len(gates), dx.size * rows)
    return dx


def weight_gradients(layer: Layer, d_ih: Array | None, d_hh: Array | None, *, add: bool) -> None:
    """Those that are wanted, put there or added."""
    (cell, _, _, rows, _, first, second), (_, h_in, operand, _, _) = layer.shape, layer.kept
    if d_ih is not None:
        weight_gradient(layer.gates, 0, right(layer.x, rows), d_ih, add)
    if d_hh is not None:
        h = right(h_in, rows)
        weight_gradient(layer.gates, 0, h, d_hh[:first], add)
        if first < rows:
            h = right(operand, rows) if cell == cells.GRU_BEFORE else h
            weight_gradient(layer.gates, second, h, d_hh[first:], add)


def weight_gradient(gates: Array, at: int, b: tuple[Array, int, int], to: Array, add: bool) -> None:
    """gates^T B, of as many columns of the gates as `to` has rows, from column `at` on."""
    (entries, columns), width, (numbers, row, panel) = gates.shape, to.shape[1], b
    if entries == 0 and not add:
        to[...] = 0

    def part(first: int, last: int) -> None:
        left, place = (at + first, 1, columns), (first * width, width, int(add))
        product(gates, numbers, to, (last - first, entries, width), left, (0, row, panel), place)

    share(part, len(to), to.size * entries)


def bias_gradients(layer: Layer, d_ih: Array | None, d_hh: Array | None, *, add: bool) -> None:
    """Those that are wanted, put there or added."""
    if d_ih is not None or d_hh is not None:
        none = np.empty(0, layer.dtype)
        wanted = (none if gradient is None else gradient for gradient in (d_ih, d_hh))
        parameters.bias_gradients(layer.shape, layer.gates, *wanted, add)
