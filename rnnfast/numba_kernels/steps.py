"""The cells on the rows of one step: entries [first, end) of arrays that hold every live row of every step.

A row of gates is [slot][H]: pre-activations, after forward gates, after backward gradients of pre-activations. `dh` and
`dc` hold a row for each row of the batch, found through `rows`.
"""

from __future__ import annotations

from numba import njit

from rnnfast.cells import gru, lstm, rnn
from rnnfast.numba_kernels.gemm import OPTIONS

RNN_TANH, RNN_RELU, RNN_LINEAR, LSTM, GRU, GRU_BEFORE = range(6)
CODES = {
    "rnn_tanh": RNN_TANH,
    "rnn_relu": RNN_RELU,
    "rnn_linear": RNN_LINEAR,
    "lstm": LSTM,
    "gru": GRU,
    "gru_before": GRU_BEFORE,
}


@njit(**OPTIONS)
def rnn_forward(cell, first, end, gates, h):
    for e in range(first, end):
        a, h_now = gates[e], h[e]
        if cell == RNN_TANH:
            for j in range(h.shape[1]):
                a[j] = h_now[j] = rnn.tanh_forward(a[j])
        elif cell == RNN_RELU:
            for j in range(h.shape[1]):
                a[j] = h_now[j] = rnn.relu_forward(a[j])
        else:
            for j in range(h.shape[1]):
                h_now[j] = a[j]


@njit(**OPTIONS)
def rnn_backward(cell, first, end, rows, gates, dh):
    for e in range(first, end):
        a, d = gates[e], dh[rows[e]]
        if cell == RNN_TANH:
            for j in range(dh.shape[1]):
                a[j] = rnn.tanh_backward(a[j], d[j])
        elif cell == RNN_RELU:
            for j in range(dh.shape[1]):
                a[j] = rnn.relu_backward(a[j], d[j])
        else:
            for j in range(dh.shape[1]):
                a[j] = d[j]
        d[:] = 0


@njit(**OPTIONS)
def lstm_forward(first, end, gates, c_before, c, h):
    size = h.shape[1]
    for e in range(first, end):
        i, f, g, o = gates[e, :size], gates[e, size : 2 * size], gates[e, 2 * size : 3 * size], gates[e, 3 * size :]
        before, c_now, h_now = c_before[e], c[e], h[e]
        # Loop after loop: LLVM makes vectors of those in which few arrays might overlap.
        for j in range(size):
            i[j], f[j] = lstm.gate(i[j]), lstm.gate(f[j])
        for j in range(size):
            g[j], o[j] = lstm.candidate(g[j]), lstm.gate(o[j])
        for j in range(size):
            c_now[j] = lstm.cell(i[j], f[j], g[j], before[j])
        for j in range(size):
            h_now[j] = lstm.output(o[j], c_now[j])


@njit(**OPTIONS)
def lstm_backward(first, end, rows, gates, c_before, c, dh, dc):
    size = dh.shape[1]
    for e in range(first, end):
        g, before, now, d, d_c = gates[e], c_before[e], c[e], dh[rows[e]], dc[rows[e]]
        for j in range(size):
            i, f, u, o = g[j], g[size + j], g[2 * size + j], g[3 * size + j]
            values = lstm.backward(i, f, u, o, before[j], now[j], d[j], d_c[j])
            g[j], g[size + j], g[2 * size + j], g[3 * size + j], d_c[j] = values
        d[:] = 0


@njit(**OPTIONS)
def gru_forward(first, end, gates, h_before, h):
    size = h.shape[1]
    for e in range(first, end):
        g, before, now = gates[e], h_before[e], h[e]
        for j in range(size):
            r, z = gru.gate(g[j]), gru.gate(g[size + j])
            n, now[j] = gru.update(g[2 * size + j] + r * g[3 * size + j], z, before[j])
            g[j], g[size + j], g[2 * size + j] = r, z, n


@njit(**OPTIONS)
def gru_backward(first, end, rows, gates, h_before, dh):
    size = dh.shape[1]
    for e in range(first, end):
        g, before, d = gates[e], h_before[e], dh[rows[e]]
        for j in range(size):
            r, z, n, q = g[j], g[size + j], g[2 * size + j], g[3 * size + j]
            dn, dz, d[j] = gru.update_backward(n, z, before[j], d[j])
            g[j], g[3 * size + j] = gru.reset_backward(r, q, dn)
            g[size + j], g[2 * size + j] = dz, dn


@njit(**OPTIONS)
def gru_before_gates(first, end, gates, h_in, operand):
    size = operand.shape[1]
    for e in range(first, end):
        g, h_now, to = gates[e], h_in[e], operand[e]
        for j in range(size):
            r, z = gru.gate(g[j]), gru.gate(g[size + j])
            g[j], g[size + j], to[j] = r, z, r * h_now[j]


@njit(**OPTIONS)
def gru_before_forward(first, end, gates, h_before, h):
    size = h.shape[1]
    for e in range(first, end):
        g, before, now = gates[e], h_before[e], h[e]
        for j in range(size):
            g[2 * size + j], now[j] = gru.update(g[2 * size + j], g[size + j], before[j])


@njit(**OPTIONS)
def gru_before_backward(first, end, rows, gates, h_before, dh):
    size = dh.shape[1]
    for e in range(first, end):
        g, before, d = gates[e], h_before[e], dh[rows[e]]
        for j in range(size):
            g[2 * size + j], g[size + j], d[j] = gru.update_backward(g[2 * size + j], g[size + j], before[j], d[j])


@njit(**OPTIONS)
def gru_before_gates_backward(first, end, gates, h_in, d_operand):
    """`d_operand` (n, H) becomes the gradient of h through the operand."""
    size = h_in.shape[1]
    for e in range(first, end):
        g, h_now, d = gates[e], h_in[e], d_operand[e - first]
        for j in range(size):
            g[j], d[j] = gru.reset_backward(g[j], h_now[j], d[j])
