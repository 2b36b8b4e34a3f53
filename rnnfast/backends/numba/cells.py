"""The cells on the rows of one step.

Gates and outputs have a row for every entry, this step's from `e` on; so has what is kept for backward, while forward
without a record has room for one step only: its rows are from `at` on. A row of gates is [slot][H]: pre-activations,
after forward gates, after backward gradients of pre-activations. `dh` and `dc` are the rows of this step alone.
"""

from __future__ import annotations

from numba import njit

from rnnfast.backends.numba.product import INNER
from rnnfast.backends.scalar import gru, lstm, rnn

RNN_TANH, RNN_RELU, RNN_LINEAR, LSTM, GRU, GRU_BEFORE = range(6)
CODES = {
    "rnn_tanh": RNN_TANH,
    "rnn_relu": RNN_RELU,
    "rnn_linear": RNN_LINEAR,
    "lstm": LSTM,
    "gru": GRU,
    "gru_before": GRU_BEFORE,
}


@njit(**INNER)
def rnn_forward(cell, count, e, gates, h):
    for k in range(e, e + count):
        if cell == RNN_TANH:
            for j in range(h.shape[1]):
                gates[k, j] = h[k, j] = rnn.tanh_forward(gates[k, j])
        elif cell == RNN_RELU:
            for j in range(h.shape[1]):
                gates[k, j] = h[k, j] = rnn.relu_forward(gates[k, j])
        else:
            for j in range(h.shape[1]):
                h[k, j] = gates[k, j]


@njit(**INNER)
def rnn_backward(cell, count, e, gates, dh):
    for k in range(count):
        a, d = gates[e + k], dh[k]
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


@njit(**INNER)
def lstm_forward(count, e, at, gates, c_before, c, h):
    size = h.shape[1]
    for k in range(count):
        g, before, c_now, h_now = gates[e + k], c_before[at + k], c[at + k], h[e + k]
        i, f, u, o = g[:size], g[size : 2 * size], g[2 * size : 3 * size], g[3 * size :]
        # Loop after loop: LLVM makes vectors of those in which few arrays might overlap.
        for j in range(size):
            i[j], f[j] = lstm.gate(i[j]), lstm.gate(f[j])
        for j in range(size):
            u[j], o[j] = lstm.candidate(u[j]), lstm.gate(o[j])
        for j in range(size):
            c_now[j] = lstm.cell(i[j], f[j], u[j], before[j])
        for j in range(size):
            h_now[j] = lstm.output(o[j], c_now[j])


@njit(**INNER)
def lstm_backward(count, e, gates, c_before, c, dh, dc):
    size = dh.shape[1]
    for k in range(count):
        g, before, now, d, d_c = gates[e + k], c_before[e + k], c[e + k], dh[k], dc[k]
        for j in range(size):
            i, f, u, o = g[j], g[size + j], g[2 * size + j], g[3 * size + j]
            values = lstm.backward(i, f, u, o, before[j], now[j], d[j], d_c[j])
            g[j], g[size + j], g[2 * size + j], g[3 * size + j], d_c[j] = values
        d[:] = 0


@njit(**INNER)
def gru_forward(count, e, at, gates, h_before, h):
    size = h.shape[1]
    for k in range(count):
        g, before, now = gates[e + k], h_before[at + k], h[e + k]
        for j in range(size):
            r, z = gru.gate(g[j]), gru.gate(g[size + j])
            n, now[j] = gru.update(g[2 * size + j] + r * g[3 * size + j], z, before[j])
            g[j], g[size + j], g[2 * size + j] = r, z, n


@njit(**INNER)
def gru_backward(count, e, gates, h_before, dh):
    size = dh.shape[1]
    for k in range(count):
        g, before, d = gates[e + k], h_before[e + k], dh[k]
        for j in range(size):
            r, z, n, q = g[j], g[size + j], g[2 * size + j], g[3 * size + j]
            dn, dz, d[j] = gru.update_backward(n, z, before[j], d[j])
            g[j], g[3 * size + j] = gru.reset_backward(r, q, dn)
            g[size + j], g[2 * size + j] = dz, dn


@njit(**INNER)
def gru_before_gates(count, e, at, gates, h_in, operand):
    size = operand.shape[1]
    for k in range(count):
        g, h_now, to = gates[e + k], h_in[at + k], operand[at + k]
        for j in range(size):
            r, z = gru.gate(g[j]), gru.gate(g[size + j])
            g[j], g[size + j], to[j] = r, z, r * h_now[j]


@njit(**INNER)
def gru_before_forward(count, e, at, gates, h_before, h):
    size = h.shape[1]
    for k in range(count):
        g, before, now = gates[e + k], h_before[at + k], h[e + k]
        for j in range(size):
            g[2 * size + j], now[j] = gru.update(g[2 * size + j], g[size + j], before[j])


@njit(**INNER)
def gru_before_backward(count, e, gates, h_before, dh):
    size = dh.shape[1]
    for k in range(count):
        g, before, d = gates[e + k], h_before[e + k], dh[k]
        for j in range(size):
            g[2 * size + j], g[size + j], d[j] = gru.update_backward(g[2 * size + j], g[size + j], before[j], d[j])


@njit(**INNER)
def gru_before_gates_backward(count, e, gates, h_in, d_operand):
    """`d_operand` becomes the gradient of h through the operand."""
    size = h_in.shape[1]
    for k in range(count):
        g, h_now, d = gates[e + k], h_in[e + k], d_operand[k]
        for j in range(size):
            g[j], d[j] = gru.reset_backward(g[j], h_now[j], d[j])
