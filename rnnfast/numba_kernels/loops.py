"""The time loops, forward and backward, of some rows of the batch in one layer and direction."""

from __future__ import annotations

import numpy as np
from numba import njit

from rnnfast.cells import lstm
from rnnfast.cells.functions import tanh
from rnnfast.numba_kernels import steps
from rnnfast.numba_kernels.gemm import OPTIONS, product


@njit(**OPTIONS)
def gather(first, end, rows, table, mask, before, masked):
    """Rows of a state as they are before the step, and under recurrent dropout."""
    for e in range(first, end):
        b = rows[e]
        before[e] = table[b]
        if mask.shape[0] > 0:
            for j in range(table.shape[1]):
                masked[e, j] = table[b, j] * mask[b, j]


@njit(**OPTIONS)
def scatter(first, end, rows, values, table):
    for e in range(first, end):
        table[rows[e]] = values[e]


@njit(**OPTIONS)
def cut_rows(cut, from_row, to_row, table):
    for b in range(from_row, to_row):
        if cut[b]:
            table[b] = 0


@njit(**OPTIONS)
def forward_loop(cell, plan, columns, panels, gates, h, c, mask, h_before, h_in, operand, c_before, c_after, h_after):
    """`plan`: first and end entry of every visit, rows, cuts, first and last row of the batch.

    `columns`: where in a row of gates each of the two recurrent products begins and how wide it is. h and c (B, H) are
    the states, before and in the end after; the others have a row for each entry, none where they are not needed.
    """
    first, end, rows, cut, from_row, to_row = plan
    width, size = gates.shape[1], h.shape[1]
    flat, flat_in, flat_operand = gates.reshape(-1), h_in.reshape(-1), operand.reshape(-1)
    for v in range(first.shape[0]):
        e, stop = first[v], end[v]
        cut_rows(cut[v], from_row, to_row, h)
        gather(e, stop, rows, h, mask, h_before, h_in)
        if cell == steps.LSTM:
            cut_rows(cut[v], from_row, to_row, c)
            gather(e, stop, rows, c, mask[:0], c_before, c_before)
        count = stop - e
        product(count, flat_in, e * size, size, 1, panels[0], flat, e * width + columns[0], width, columns[1])
        if cell == steps.GRU_BEFORE:
            steps.gru_before_gates(e, stop, gates, h_in, operand)
            product(count, flat_operand, e * size, size, 1, panels[1], flat, e * width + columns[2], width, columns[3])
            steps.gru_before_forward(e, stop, gates, h_before, h_after)
        elif cell == steps.GRU:
            product(count, flat_in, e * size, size, 1, panels[1], flat, e * width + columns[2], width, columns[3])
            steps.gru_forward(e, stop, gates, h_before, h_after)
        elif cell == steps.LSTM:
            steps.lstm_forward(e, stop, gates, c_before, c_after, h_after)
            scatter(e, stop, rows, c_after, c)
        else:
            steps.rnn_forward(cell, e, stop, gates, h_after)
        scatter(e, stop, rows, h_after, h)


@njit(**OPTIONS)
def squares(cell, first, end, rows, size, gates, c_after, dh, dc, found):
    """Squared norms of dL/dh and dL/dc after the step, (entries, 2)."""
    for e in range(first, end):
        b = rows[e]
        for j in range(size):
            d = float(dh[b, j])
            found[e, 0] += d * d
            if cell == steps.LSTM:
                d = float(lstm.cell_gradient(gates[e, 3 * size + j], tanh(c_after[e, j]), dh[b, j], dc[b, j]))
                found[e, 1] += d * d


@njit(**OPTIONS)
def backward_loop(
    cell, plan, columns, panels, gates, dy, dh, dc, mask, h_before, h_in, operand, c_before, c_after, norms
):
    """As `forward_loop`, in reverse: gates become gradients of their pre-activations, dh and dc those of the start."""
    first, end, rows, cut, from_row, to_row = plan
    width, size = gates.shape[1], dh.shape[1]
    flat = gates.reshape(-1)
    through = np.empty((to_row - from_row, size), dh.dtype)
    flat_through = through.reshape(-1)
    for v in range(first.shape[0] - 1, -1, -1):
        e, stop = first[v], end[v]
        count = stop - e
        for k in range(e, stop):
            d, more = dh[rows[k]], dy[k]
            for j in range(size):
                d[j] += more[j]
        if norms.shape[0] > 0:
            squares(cell, e, stop, rows, size, gates, c_after, dh, dc, norms)
        through[:count] = 0
        if cell == steps.GRU_BEFORE:
            steps.gru_before_backward(e, stop, rows, gates, h_before, dh)
            product(count, flat, e * width + columns[2], width, 1, panels[1], flat_through, 0, size, size)
            steps.gru_before_gates_backward(e, stop, gates, h_in, through)
        elif cell == steps.GRU:
            steps.gru_backward(e, stop, rows, gates, h_before, dh)
            product(count, flat, e * width + columns[2], width, 1, panels[1], flat_through, 0, size, size)
        elif cell == steps.LSTM:
            steps.lstm_backward(e, stop, rows, gates, c_before, c_after, dh, dc)
        else:
            steps.rnn_backward(cell, e, stop, rows, gates, dh)
        product(count, flat, e * width + columns[0], width, 1, panels[0], flat_through, 0, size, size)
        for k in range(count):
            d, more = dh[rows[e + k]], through[k]
            if mask.shape[0] > 0:
                m = mask[rows[e + k]]
                for j in range(size):
                    d[j] += more[j] * m[j]
            else:
                for j in range(size):
                    d[j] += more[j]
        cut_rows(cut[v], from_row, to_row, dh)
        if cell == steps.LSTM:
            cut_rows(cut[v], from_row, to_row, dc)
