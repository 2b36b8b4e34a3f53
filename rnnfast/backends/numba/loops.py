"""The time loops, forward and backward, of some rows of the batch in one layer and direction."""

from __future__ import annotations

import numpy as np
from numba import njit

from rnnfast.backends.numba import cells
from rnnfast.backends.numba.product import INNER, OPTIONS, packed_size, product
from rnnfast.backends.numba.rows import add_rows, add_through, cut_rows, gather, gather_masked, scatter
from rnnfast.backends.numba.tile import lanes
from rnnfast.backends.scalar import lstm
from rnnfast.backends.scalar.functions import tanh


@njit(**INNER)
def recurrent_sums(shape, which, state, panels, gates):
    """One of the two products with W_hh, of rows of a state, added to their entries' gates.

    `which`: how many rows, the first of the state, their first entry, 1 for the second product or 0.
    """
    count, at, e, second = which
    size, width = shape.hidden, lanes(gates)
    columns = shape.rows - shape.first if second else shape.first
    start = packed_size(size, shape.first, width) if second else 0
    to = e * shape.columns + (shape.second if second else 0), shape.columns, 1
    product(state, panels, gates, (count, size, columns), (at * size, size, 1), (start, width, size * width), to)


@njit(**OPTIONS)
def forward_loop(shape, part, rows, cut, panels, gates, h, c, mask, kept, h_after):
    """The steps of some rows of the batch.

    `part`: first and end entry of every step, first and last row, whether time runs backward, whether all is kept for
    backward. `panels`: W_hh as packed for each of two products. h and c (B, H) are the states, before and in the end
    after. `kept`: h before, h in the first product, the operand of the second, c before and after; a row for each
    entry or, if backward will not follow, of the batch; none where they are not needed.
    """
    first, end, from_row, to_row, reverse, recorded = part
    h_before, h_in, operand, c_before, c_after = kept
    cell = shape.cell
    for n in range(first.shape[0]):
        v = first.shape[0] - 1 - n if reverse else n
        e, count = first[v], end[v] - first[v]
        at = e if recorded else from_row
        cut_rows(cut, v, from_row, to_row, h)
        gather(count, rows, e, h, h_before, at)
        gather_masked(count, rows, e, h, mask, h_in, at)
        recurrent_sums(shape, (count, at, e, 0), h_in, panels, gates)
        if cell == cells.GRU_BEFORE:
            cells.gru_before_gates(count, e, at, gates, h_in, operand)
            recurrent_sums(shape, (count, at, e, 1), operand, panels, gates)
            cells.gru_before_forward(count, e, at, gates, h_before, h_after)
        elif cell == cells.GRU:
            recurrent_sums(shape, (count, at, e, 1), h_in, panels, gates)
            cells.gru_forward(count, e, at, gates, h_before, h_after)
        elif cell == cells.LSTM:
            cut_rows(cut, v, from_row, to_row, c)
            gather(count, rows, e, c, c_before, at)
            cells.lstm_forward(count, e, at, gates, c_before, c_after, h_after)
            scatter(count, rows, e, c_after, at, c)
        else:
            cells.rnn_forward(cell, count, e, gates, h_after)
        scatter(count, rows, e, h_after, e, h)


@njit(**INNER)
def squares(shape, count, e, gates, c_after, dh, dc, found):
    """Squared norms of dL/dh and dL/dc after the step, (entries, 2)."""
    size = shape.hidden
    for k in range(count):
        for j in range(size):
            d = float(dh[k, j])
            found[e + k, 0] += d * d
            if shape.cell == cells.LSTM:
                o, tanh_c = gates[e + k, 3 * size + j], tanh(c_after[e + k, j])
                d = float(lstm.cell_gradient(o, tanh_c, dh[k, j], dc[k, j]))
                found[e + k, 1] += d * d


@njit(**INNER)
def through_product(shape, which, gates, right, through):
    """The gradient of a product's operand from its entries' gates. `which`: how many, the first, is it
    the second product, is the gradient added; 1 or 0.
    """
    count, e, second, add = which
    weight, row, panel = right
    size, width = shape.hidden, shape.columns
    depth, start = (shape.rows - shape.first, shape.first * row) if second else (shape.first, 0)
    left = e * width + (shape.second if second else 0), width, 1
    product(gates, weight, through, (count, depth, size), left, (start, row, panel), (0, size, add))


@njit(**OPTIONS)
def backward_loop(shape, part, rows, cut, right, gates, dy, dh, dc, mask, kept, norms):
    """As `forward_loop`, in reverse: gates become gradients of their pre-activations, dh and dc those of the start.

    `right`: W_hh with the distances from row to row and from panel to panel.
    """
    first, end, from_row, to_row, reverse, _ = part
    h_before, h_in, _, c_before, c_after = kept
    cell, room = shape.cell, (to_row - from_row, shape.hidden)
    d, d_c, through = np.empty(room, dh.dtype), np.empty(room, dh.dtype), np.empty(room, dh.dtype)
    for n in range(first.shape[0]):
        v = n if reverse else first.shape[0] - 1 - n
        e, count = first[v], end[v] - first[v]
        gather(count, rows, e, dh, d, 0)
        add_rows(count, dy, e, d)
        if cell == cells.LSTM:
            gather(count, rows, e, dc, d_c, 0)
        if norms.shape[0] > 0:
            squares(shape, count, e, gates, c_after, d, d_c, norms)
        if cell == cells.GRU_BEFORE:
            cells.gru_before_backward(count, e, gates, h_before, d)
            through_product(shape, (count, e, 1, 0), gates, right, through)
            cells.gru_before_gates_backward(count, e, gates, h_in, through)
        elif cell == cells.GRU:
            cells.gru_backward(count, e, gates, h_before, d)
            through_product(shape, (count, e, 1, 0), gates, right, through)
        elif cell == cells.LSTM:
            cells.lstm_backward(count, e, gates, c_before, c_after, d, d_c)
            scatter(count, rows, e, d_c, 0, dc)
            cut_rows(cut, v, from_row, to_row, dc)
        else:
            cells.rnn_backward(cell, count, e, gates, d)
        through_product(shape, (count, e, 0, int(shape.rows > shape.first)), gates, right, through)
        add_through(count, rows, e, through, mask, d)
        scatter(count, rows, e, d, 0, dh)
        cut_rows(cut, v, from_row, to_row, dh)
