"""The right-hand sides of a layer's products: weights, inputs and states, packed where that pays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnnfast.backends.numba.parameters import pack_weights
from rnnfast.backends.numba.product import pack_rows, packed_size
from rnnfast.backends.numba.scratch import scratch
from rnnfast.backends.numba.shapes import Shape
from rnnfast.backends.numba.tile import ROWS, lanes
from rnnfast.backends.reference.cells import Weights
from rnnfast.problem import Array

FEW, SMALL = 2 * ROWS, 8192
"""Rows that are read too few times to pay for packing; numbers that the fastest cache keeps however they lie."""


class Packed(NamedTuple):
    """A layer's weights as forward reads them: both biases together, W_ih, and W_hh for each of its two products."""

    bias: Array
    ih: Array
    hh: Array


def pack(shape: Shape, weights: Weights, *, keep: bool) -> Packed:
    """Weights and biases of a layer, packed, to keep or for one call."""
    kind, width = weights.ih.dtype, lanes(weights.ih)
    none = np.empty(0, kind)
    size = packed_size(shape.hidden, shape.first, width) + packed_size(shape.hidden, shape.rows - shape.first, width)
    sizes = packed_size(shape.inputs, shape.rows, width), size
    ih, hh = (np.empty(n, kind) if keep else scratch(use, n, kind) for use, n in zip(("ih", "hh"), sizes, strict=True))
    packed = Packed(np.empty(shape.columns, kind), ih, hh)
    b_ih, b_hh = (none if bias is None else bias for bias in (weights.b_ih, weights.b_hh))
    pack_weights(shape, weights.ih, weights.hh, b_ih, b_hh, *packed)
    return packed


def right(matrix: Array, readers: int) -> tuple[Array, int, int]:
    """Of a matrix (K, N) that so many rows are multiplied with: its numbers, from row to row, from panel to panel.

    Packed, unless its rows are whole panels and are few, or read few times.
    """
    depth, columns = matrix.shape
    width = lanes(matrix)
    if columns % width == 0 and (matrix.size <= SMALL or min(depth, readers) <= FEW):
        return matrix.reshape(-1), columns, width
    panels = scratch("right", packed_size(depth, columns, width), matrix.dtype)
    pack_rows(matrix, panels)
    return panels, width, depth * width
