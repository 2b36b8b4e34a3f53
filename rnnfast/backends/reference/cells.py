"""The formulas of every cell in plain NumPy: one step forward, and its derivatives, for the live rows of a batch.

Sources: Elman, "Finding structure in time", 1990 (RNN); Hochreiter and Schmidhuber, "Long short-term memory", 1997,
with the forget gate of Gers, Schmidhuber and Cummins, 2000 (LSTM); Cho et al., "Learning phrase representations using
RNN encoder-decoder", 2014 (GRU, `gru_before`), and cuDNN's and PyTorch's form of it (`gru`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from rnnfast.backends.reference.product import Product
from rnnfast.problem import Array

Named = dict[str, Array]
"""Arrays (n, H), a projected h (n, P), by name: states (h and, of cells that have it, c), gates, values kept for
backward."""


class Weights(NamedTuple):
    """Parameters of one layer and direction, as in `Problem`; both biases or neither."""

    ih: Array
    hh: Array
    b_ih: Array | None
    b_hh: Array | None
    hr: Array | None = None
    """Of a cell that projects."""
    product: Product = np.matmul
    """Of two matrices, as every formula takes it."""


class StepGradients(NamedTuple):
    """Derivatives that one step of a cell on n rows sends back: of the loss by ..."""

    from_input: Array
    """... W_ih x + b_ih, (n, G·H)."""
    from_recurrent: Array
    """... W_hh h + b_hh, (n, G·H)."""
    weight_hh: Array
    """... W_hh, (G·H, S)."""
    h_in: Array
    """... h where it enters the recurrent product, (n, S)."""
    before: dict[str, Any]
    """... the states before the step by every other way."""
    after: Named
    """... the states after the step; for c that includes the way through the output."""
    weight_hr: Array | None = None
    """... W_hr, (P, H), of a cell that projects."""


class Formulas(NamedTuple):
    """One cell. `h_in` is h as it enters the recurrent product, that is after dropout."""

    forward: Callable[[Array, Weights, Named, Array], Named]
    """(W_ih x + b_ih, weights, states before, h_in) -> gates, states after, and what backward needs."""
    backward: Callable[[Named, Weights, Named, Array, Named], StepGradients]
    """(what forward returned, weights, states before, h_in, dL/d(states after))."""


def affine(x: Array, weight: Array, bias: Array | None, product: Product) -> Array:
    """Return x Wᵀ + b for x (n, K), weight (M, K), bias (M,) or None."""
    result = product(x, weight.T)
    return result if bias is None else result + bias


def logistic(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), written so that exp cannot overflow.

    >>> logistic(np.array([-1e9, 0.0, 1e9]))
    array([0. , 0.5, 1. ])
    """
    e = np.exp(-np.abs(x))
    result: Array = np.where(x < 0, e, np.ones_like(e)) / (1 + e)
    return result


def d_logistic(s: Array) -> Array:
    """Return the derivative of the logistic function, from its value."""
    result: Array = s * (1 - s)
    return result


def d_tanh(h: Array) -> Array:
    """Return the derivative of tanh, from its value."""
    return 1 - h * h


def d_relu(h: Array) -> Array:
    """Return the derivative of max(x, 0), from its value: 0 at 0."""
    return np.heaviside(h, np.zeros_like(h))


def rnn_forward(f: Callable[[Array], Array], gx: Array, w: Weights, before: Named, h_in: Array) -> Named:
    """h' = f(W_ih x + b_ih + W_hh h + b_hh)."""
    return {"h": f(gx + affine(h_in, w.hh, w.b_hh, w.product))}


def rnn_backward(
    d_f: Callable[[Array], Array], saved: Named, w: Weights, before: Named, h_in: Array, d_after: Named
) -> StepGradients:
    """Derivatives of `rnn_forward`."""
    da = d_after["h"] * d_f(saved["h"])
    return StepGradients(da, da, w.product(da.T, h_in), w.product(da, w.hh), {"h": 0}, d_after)


def lstm_forward(gx: Array, w: Weights, before: Named, h_in: Array) -> Named:
    """i, f, o = σ(·), g = tanh(·) of W_ih x + b_ih + W_hh h + b_hh; c' = f⊙c + i⊙g; h' = o⊙tanh(c')."""
    i, f, g, o = np.split(gx + affine(h_in, w.hh, w.b_hh, w.product), 4, axis=1)
    i, f, g, o = logistic(i), logistic(f), np.tanh(g), logistic(o)
    c = f * before["c"] + i * g
    tanh_c = np.tanh(c)
    return {"i": i, "f": f, "g": g, "o": o, "c": c, "tanh_c": tanh_c, "h": o * tanh_c}


def lstm_backward(saved: Named, w: Weights, before: Named, h_in: Array, d_after: Named) -> StepGradients:
    """Derivatives of `lstm_forward`."""
    i, f, g, o, tanh_c = (saved[name] for name in ("i", "f", "g", "o", "tanh_c"))
    dh = d_after["h"]
    dc = d_after["c"] + dh * o * d_tanh(tanh_c)
    di = dc * g * d_logistic(i)
    df = dc * before["c"] * d_logistic(f)
    dg = dc * i * d_tanh(g)
    do = dh * tanh_c * d_logistic(o)
    da = np.concatenate([di, df, dg, do], axis=1)
    return StepGradients(da, da, w.product(da.T, h_in), w.product(da, w.hh), {"h": 0, "c": dc * f}, {"h": dh, "c": dc})


def lstm_proj_forward(gx: Array, w: Weights, before: Named, h_in: Array) -> Named:
    """Sak, Senior and Beaufays, "Long short-term memory ...", 2014: an LSTM, but h' = W_hr (o⊙tanh c')."""
    saved = lstm_forward(gx, w, before, h_in)
    return saved | {"h": affine(saved["h"], _projection(w), None, w.product)}


def lstm_proj_backward(saved: Named, w: Weights, before: Named, h_in: Array, d_after: Named) -> StepGradients:
    """Derivatives of `lstm_proj_forward`."""
    weight, dh = _projection(w), d_after["h"]
    g = lstm_backward(saved, w, before, h_in, {"h": w.product(dh, weight), "c": d_after["c"]})
    return g._replace(weight_hr=w.product(dh.T, saved["o"] * saved["tanh_c"]), after=g.after | {"h": dh})


def _projection(w: Weights) -> Array:
    assert w.hr is not None
    return w.hr


def gru_forward(gx: Array, w: Weights, before: Named, h_in: Array) -> Named:
    """r, z = σ(·); n = tanh(W_in x + b_in + r⊙(W_hn h + b_hn)); h' = (1 - z)⊙n + z⊙h."""
    r_x, z_x, n_x = np.split(gx, 3, axis=1)
    r_h, z_h, n_h = np.split(affine(h_in, w.hh, w.b_hh, w.product), 3, axis=1)
    r, z = logistic(r_x + r_h), logistic(z_x + z_h)
    n = np.tanh(n_x + r * n_h)
    return {"r": r, "z": z, "n": n, "n_h": n_h.copy(), "h": (1 - z) * n + z * before["h"]}


def gru_backward(saved: Named, w: Weights, before: Named, h_in: Array, d_after: Named) -> StepGradients:
    """Derivatives of `gru_forward`."""
    r, z, n, n_h = (saved[name] for name in ("r", "z", "n", "n_h"))
    dh = d_after["h"]
    dn = dh * (1 - z) * d_tanh(n)
    dz = dh * (before["h"] - n) * d_logistic(z)
    dr = dn * n_h * d_logistic(r)
    d_input = np.concatenate([dr, dz, dn], axis=1)
    d_recurrent = np.concatenate([dr, dz, dn * r], axis=1)
    d_weight, d_h = w.product(d_recurrent.T, h_in), w.product(d_recurrent, w.hh)
    return StepGradients(d_input, d_recurrent, d_weight, d_h, {"h": dh * z}, d_after)


def gru_before_forward(gx: Array, w: Weights, before: Named, h_in: Array) -> Named:
    """r, z = σ(·); n = tanh(W_in x + b_in + W_hn (r⊙h) + b_hn); h' = (1 - z)⊙n + z⊙h."""
    hidden = h_in.shape[1]
    bias_rz, bias_n = (None, None) if w.b_hh is None else np.split(w.b_hh, [2 * hidden])
    weight_rz, weight_n = np.split(w.hh, [2 * hidden])
    r, z = np.split(logistic(gx[:, : 2 * hidden] + affine(h_in, weight_rz, bias_rz, w.product)), 2, axis=1)
    n = np.tanh(gx[:, 2 * hidden :] + affine(r * h_in, weight_n, bias_n, w.product))
    return {"r": r, "z": z, "n": n, "h": (1 - z) * n + z * before["h"]}


def gru_before_backward(saved: Named, w: Weights, before: Named, h_in: Array, d_after: Named) -> StepGradients:
    """Derivatives of `gru_before_forward`."""
    r, z, n = (saved[name] for name in ("r", "z", "n"))
    weight_rz, weight_n = np.split(w.hh, [2 * h_in.shape[1]])
    dh = d_after["h"]
    dn = dh * (1 - z) * d_tanh(n)
    dz = dh * (before["h"] - n) * d_logistic(z)
    d_reset_h = w.product(dn, weight_n)
    dr = d_reset_h * h_in * d_logistic(r)
    drz = np.concatenate([dr, dz], axis=1)
    da = np.concatenate([drz, dn], axis=1)
    d_weight = np.concatenate([w.product(drz.T, h_in), w.product(dn.T, r * h_in)])
    return StepGradients(da, da, d_weight, w.product(drz, weight_rz) + d_reset_h * r, {"h": dh * z}, d_after)


def _rnn(f: Callable[[Array], Array], d_f: Callable[[Array], Array]) -> Formulas:
    return Formulas(partial(rnn_forward, f), partial(rnn_backward, d_f))


FORMULAS = {
    "rnn_tanh": _rnn(np.tanh, d_tanh),
    "rnn_relu": _rnn(lambda a: np.maximum(a, 0), d_relu),
    "rnn_linear": _rnn(lambda a: a, np.ones_like),
    "lstm": Formulas(lstm_forward, lstm_backward),
    "lstm_proj": Formulas(lstm_proj_forward, lstm_proj_backward),
    "gru": Formulas(gru_forward, gru_backward),
    "gru_before": Formulas(gru_before_forward, gru_before_backward),
}
