"""The cells on one unit of one entry, which is one live row of one step.

A row of gates is [slot][H]: pre-activations of the inputs, after forward gates, after backward gradients of
pre-activations. `sums[at + slot * step]` are the recurrent products that are added to them. `state` is what a layer
keeps for all its entries: gates (n, slots H), h0 and c0 (B, H), no rows where they are zeros, the factors of recurrent
dropout (B, H) or none, r h (n, H) for the GRU that resets before its product, c and h after each entry (n, H).
"""

from __future__ import annotations

from numba.extending import register_jitable

from rnnfast.backends.cuda.arrays import present
from rnnfast.backends.scalar import gru, lstm
from rnnfast.backends.scalar.exp import number
from rnnfast.backends.scalar.functions import tanh

FROM_START, FROM_ZEROS = -1, -2
"""The values of an entry's `previous` where no entry comes before it."""


@register_jitable
def state_parts(slots, n, batch, size, gates, h0, c0, mask, operand, c, h):
    """Return the address and the shape of each array of a state; 0: it is not there."""
    return (
        (gates, (n, slots * size)),
        (h0, (present(h0, batch), size)),
        (c0, (present(c0, batch), size)),
        (mask, (present(mask, batch), size)),
        (operand, (present(operand, n), size)),
        (c, (present(c, n), size)),
        (h, (n, size)),
    )


@register_jitable
def past(after, start, previous, b, j):
    """Return a state before an entry."""
    if previous >= 0:
        return after[previous, j]
    if previous == FROM_START and start.shape[0] > 0:
        return start[b, j]
    return after.dtype.type(0)


@register_jitable
def dropped(value, mask, b, j):
    """Return a value under recurrent dropout."""
    return value * mask[b, j] if mask.shape[0] > 0 else value


def elman(activation, derivative):
    """Return forward and backward of an RNN."""

    @register_jitable
    def forward(e, j, b, previous, sums, at, step, state):
        gates, _, _, _, _, _, h = state
        gates[e, j] = h[e, j] = activation(gates[e, j] + sums[at])

    @register_jitable
    def backward(e, j, b, previous, dh, dc, state):
        gates, _, _, _, _, _, _ = state
        gates[e, j] = derivative(gates[e, j], dh)
        return number(0, dh), dc

    return forward, backward


@register_jitable
def lstm_forward(e, j, b, previous, sums, at, step, state):
    gates, _, c0, _, _, c, h = state
    size = h.shape[1]
    i = lstm.gate(gates[e, j] + sums[at])
    f = lstm.gate(gates[e, size + j] + sums[at + step])
    g = lstm.candidate(gates[e, 2 * size + j] + sums[at + 2 * step])
    o = lstm.gate(gates[e, 3 * size + j] + sums[at + 3 * step])
    c_now = lstm.cell(i, f, g, past(c, c0, previous, b, j))
    c[e, j], h[e, j] = c_now, lstm.output(o, c_now)
    gates[e, j], gates[e, size + j], gates[e, 2 * size + j], gates[e, 3 * size + j] = i, f, g, o


@register_jitable
def lstm_backward(e, j, b, previous, dh, dc, state):
    gates, _, c0, _, _, c, h = state
    size = h.shape[1]
    i, f, g, o = gates[e, j], gates[e, size + j], gates[e, 2 * size + j], gates[e, 3 * size + j]
    di, df, dg, do, dc = lstm.backward(i, f, g, o, past(c, c0, previous, b, j), c[e, j], dh, dc)
    gates[e, j], gates[e, size + j], gates[e, 2 * size + j], gates[e, 3 * size + j] = di, df, dg, do
    return number(0, dh), dc


@register_jitable
def lstm_total_dc(e, j, dh, dc, state):
    """dL/dc' with what comes through h', from the gates as forward left them."""
    gates, _, _, _, _, c, h = state
    return lstm.cell_gradient(gates[e, 3 * h.shape[1] + j], tanh(c[e, j]), dh, dc)


@register_jitable
def gru_forward(e, j, b, previous, sums, at, step, state):
    gates, h0, _, _, _, _, h = state
    size = h.shape[1]
    r, z = gru.gate(gates[e, j] + sums[at]), gru.gate(gates[e, size + j] + sums[at + step])
    q = gates[e, 3 * size + j] + sums[at + 2 * step]
    n, h[e, j] = gru.update(gates[e, 2 * size + j] + r * q, z, past(h, h0, previous, b, j))
    gates[e, j], gates[e, size + j], gates[e, 2 * size + j], gates[e, 3 * size + j] = r, z, n, q


@register_jitable
def gru_backward(e, j, b, previous, dh, dc, state):
    gates, h0, _, _, _, _, h = state
    size = h.shape[1]
    r, z, n, q = gates[e, j], gates[e, size + j], gates[e, 2 * size + j], gates[e, 3 * size + j]
    dn, dz, dh = gru.update_backward(n, z, past(h, h0, previous, b, j), dh)
    gates[e, j], gates[e, 3 * size + j] = gru.reset_backward(r, q, dn)
    gates[e, size + j], gates[e, 2 * size + j] = dz, dn
    return dh, dc


@register_jitable
def gru_before_gates(e, j, b, previous, sums, at, step, state):
    gates, h0, _, mask, operand, _, h = state
    size = h.shape[1]
    r, z = gru.gate(gates[e, j] + sums[at]), gru.gate(gates[e, size + j] + sums[at + step])
    gates[e, j], gates[e, size + j] = r, z
    operand[e, j] = r * dropped(past(h, h0, previous, b, j), mask, b, j)


@register_jitable
def gru_before_forward(e, j, b, previous, sums, at, step, state):
    gates, h0, _, _, _, _, h = state
    size = h.shape[1]
    n, h[e, j] = gru.update(gates[e, 2 * size + j] + sums[at], gates[e, size + j], past(h, h0, previous, b, j))
    gates[e, 2 * size + j] = n


@register_jitable
def gru_before_backward(e, j, b, previous, dh, dc, state):
    gates, h0, _, _, _, _, h = state
    size = h.shape[1]
    n, z = gates[e, 2 * size + j], gates[e, size + j]
    gates[e, 2 * size + j], gates[e, size + j], dh = gru.update_backward(n, z, past(h, h0, previous, b, j), dh)
    return dh, dc


@register_jitable
def gru_before_reset(e, j, b, previous, d_operand, state):
    """Make r its pre-activation's gradient from dL/d(r h); return the gradient of h by way of the operand."""
    gates, h0, _, mask, _, _, h = state
    h_in = dropped(past(h, h0, previous, b, j), mask, b, j)
    gates[e, j], through = gru.reset_backward(gates[e, j], h_in, d_operand)
    return through
