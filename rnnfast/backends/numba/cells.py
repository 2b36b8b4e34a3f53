"""The cells on the rows of one step: all that depends on which cell it is.

Gates and outputs have a row for every entry, this step's from `e` on; so has what is kept for backward, while forward
without a record has room for one step only: its rows are from `at` on. `d`, `d_c` and `through` are the rows of this
step alone: dL/dh, or of a cell that projects the gradient of what it shows; dL/dc; and that of a product's operand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from numba.extending import overload, register_jitable

from rnnfast.backends.scalar import gru, lstm, rnn
from rnnfast.backends.scalar.functions import tanh


class Formulas(NamedTuple):
    """A cell's part in a step."""

    forward: Callable[..., Any]
    """After the products of a phase."""
    backward: Callable[..., Any]
    """Before the products of a phase: the phase's gates become gradients, d and d_c those of the states before the step
    by every way but the products; `through` of a later phase's operand becomes that of h in the first product."""
    c_squares: Callable[..., Any]
    """Of a cell with c: put the squares of dL/dc', with what comes through h', too, into a row for each entry."""


def elman(activation, derivative):
    """Return the formulas of an RNN."""

    @register_jitable
    def forward(phase, count, e, at, kept, h_after):
        for k in range(e, e + count):
            a, h = kept.gates[k], h_after[k]
            for j in range(h.shape[0]):
                a[j] = h[j] = activation(a[j])

    @register_jitable
    def backward(phase, count, e, kept, d, d_c, through):
        for k in range(count):
            a, dh = kept.gates[e + k], d[k]
            for j in range(dh.shape[0]):
                a[j] = derivative(a[j], dh[j])
            dh[:] = 0

    return Formulas(forward, backward, no_squares)


@register_jitable
def no_squares(count, e, kept, d, d_c, found):
    pass


@register_jitable
def h_squares(count, e, d, found):
    """Add the squares of dL/dh' to a row for each entry."""
    for k in range(count):
        for j in range(d.shape[1]):
            dh = float(d[k, j])
            found[e + k, 0] += dh * dh


@register_jitable
def lstm_forward(phase, count, e, at, kept, h_after):
    lstm_steps(count, e, at, kept, h_after, e)


@register_jitable
def lstm_steps(count, e, at, kept, shown, to):
    """What the cell shows, o tanh(c'), into rows from `to` on."""
    size = shown.shape[1]
    for k in range(count):
        g, before, c_now, h_now = kept.gates[e + k], kept.c_before[at + k], kept.c_after[at + k], shown[to + k]
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


@register_jitable
def lstm_backward(phase, count, e, kept, d, d_c, through):
    size = d.shape[1]
    for k in range(count):
        g, before, now, dh, dc = kept.gates[e + k], kept.c_before[e + k], kept.c_after[e + k], d[k], d_c[k]
        for j in range(size):
            i, f, u, o = g[j], g[size + j], g[2 * size + j], g[3 * size + j]
            values = lstm.backward(i, f, u, o, before[j], now[j], dh[j], dc[j])
            g[j], g[size + j], g[2 * size + j], g[3 * size + j], dc[j] = values
        dh[:] = 0


@register_jitable
def lstm_proj_forward(phase, count, e, at, kept, h_after):
    """What is to be projected goes where h' of a row is otherwise."""
    lstm_steps(count, e, at, kept, kept.operand, at)


@register_jitable
def lstm_squares(count, e, kept, d, d_c, found):
    size = d.shape[1]
    for k in range(count):
        for j in range(size):
            o, tanh_c = kept.gates[e + k, 3 * size + j], tanh(kept.c_after[e + k, j])
            dc = float(lstm.cell_gradient(o, tanh_c, d[k, j], d_c[k, j]))
            found[e + k, 1] += dc * dc


@register_jitable
def gru_forward(phase, count, e, at, kept, h_after):
    size = h_after.shape[1]
    for k in range(count):
        g, before, now = kept.gates[e + k], kept.h_before[at + k], h_after[e + k]
        for j in range(size):
            r, z = gru.gate(g[j]), gru.gate(g[size + j])
            n, now[j] = gru.update(g[2 * size + j] + r * g[3 * size + j], z, before[j])
            g[j], g[size + j], g[2 * size + j] = r, z, n


@register_jitable
def gru_backward(phase, count, e, kept, d, d_c, through):
    size = d.shape[1]
    for k in range(count):
        g, before, dh = kept.gates[e + k], kept.h_before[e + k], d[k]
        for j in range(size):
            r, z, n, q = g[j], g[size + j], g[2 * size + j], g[3 * size + j]
            dn, dz, dh[j] = gru.update_backward(n, z, before[j], dh[j])
            g[j], g[3 * size + j] = gru.reset_backward(r, q, dn)
            g[size + j], g[2 * size + j] = dz, dn


@register_jitable
def gru_before_forward(phase, count, e, at, kept, h_after):
    size = h_after.shape[1]
    for k in range(count):
        g, before, now = kept.gates[e + k], kept.h_before[at + k], h_after[e + k]
        if phase == 0:
            h_in, operand = kept.h_in[at + k], kept.operand[at + k]
            for j in range(size):
                r, z = gru.gate(g[j]), gru.gate(g[size + j])
                g[j], g[size + j], operand[j] = r, z, r * h_in[j]
        else:
            for j in range(size):
                g[2 * size + j], now[j] = gru.update(g[2 * size + j], g[size + j], before[j])


@register_jitable
def gru_before_backward(phase, count, e, kept, d, d_c, through):
    size = d.shape[1]
    for k in range(count):
        g, before, h_in, dh, d_operand = kept.gates[e + k], kept.h_before[e + k], kept.h_in[e + k], d[k], through[k]
        if phase == 1:
            for j in range(size):
                n, z = g[2 * size + j], g[size + j]
                g[2 * size + j], g[size + j], dh[j] = gru.update_backward(n, z, before[j], dh[j])
        else:
            for j in range(size):
                g[j], d_operand[j] = gru.reset_backward(g[j], h_in[j], d_operand[j])


FORMULAS = {
    "rnn_tanh": elman(rnn.tanh_forward, rnn.tanh_backward),
    "rnn_relu": elman(rnn.relu_forward, rnn.relu_backward),
    "rnn_linear": elman(rnn.linear_forward, rnn.linear_backward),
    "lstm": Formulas(lstm_forward, lstm_backward, lstm_squares),
    "lstm_proj": Formulas(lstm_proj_forward, lstm_backward, lstm_squares),
    "gru": Formulas(gru_forward, gru_backward, no_squares),
    "gru_before": Formulas(gru_before_forward, gru_before_backward, no_squares),
}


def _of_a_cell(part: str) -> Callable[..., None]:
    """Return a function that runs that part of the formulas of a cell, whose name kernels know when compiled."""

    def run(cell: str, *arguments: Any) -> None:
        getattr(FORMULAS[cell], part)(*arguments)

    @overload(run, prefer_literal=True, strict=False)
    def compiled(cell, *arguments):
        own = getattr(FORMULAS[cell.literal_value], part)
        return lambda cell, *arguments: own(*arguments)

    return run


forward, backward, c_squares = map(_of_a_cell, Formulas._fields)
