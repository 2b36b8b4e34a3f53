"""The cells backward on one unit of one row: from dL/dh' and dL/dc' to gradients of pre-activations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast.backends.cuda.cluster.activations import tanh

ZERO, ONE = np.float32(0), np.float32(1)


@dataclass(frozen=True)
class ClusterGradient:
    """A cell as the backward kernels run it. Slots are those of the recorded gates, and of d, which is like these."""

    gates: int
    """Gates with rows of W_hh."""
    slots: int
    prepare: Callable[[Any], Any]
    """ops -> the function (gates g0..g3, state after, state before) -> six factors, made while sums are waited for."""
    step: Callable[[Any], Any]
    """ops -> the function (six factors, dh, dc) -> d0..d3, what h and c before carry."""
    recurrent: tuple[int, ...]
    """The slots of d that are multiplied with the gates' rows of W_hh."""
    reads_c: bool = False
    """The states that it reads are c, after the visit and before it."""
    reads_h: bool = False
    """The state before that it reads is h."""


def _lstm(ops: Any) -> Any:
    tanh_of = tanh(ops)

    def prepare(i, f, g, o, c, c_before):
        tanh_c = tanh_of(c)
        by_h, by_o = o * (ONE - tanh_c * tanh_c), tanh_c * (o * (ONE - o))
        return g * (i * (ONE - i)), c_before * (f * (ONE - f)), i * (ONE - g * g), by_o, by_h, f

    return ops.inline(prepare)


def _lstm_step(ops: Any) -> Any:
    def step(i, f, g, o, by_h, forget, dh, dc):
        dc = dh * by_h + dc
        return dc * i, dc * f, dc * g, dh * o, ZERO, dc * forget

    return ops.inline(step)


def _gru(ops: Any) -> Any:
    def prepare(r, z, n, q, c, h_before):
        by_n = (ONE - z) * (ONE - n * n)
        return by_n * q * (r * (ONE - r)), (h_before - n) * (z * (ONE - z)), by_n, by_n * r, z, ZERO

    return ops.inline(prepare)


def _gru_step(ops: Any) -> Any:
    def step(r, z, n, q, kept, unused, dh, dc):
        return dh * r, dh * z, dh * n, dh * q, dh * kept, dc

    return ops.inline(step)


def _rnn(slope: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def make(ops: Any) -> Any:
        of = ops.inline(slope)

        def prepare(h, g1, g2, g3, c, h_before):
            return of(h), ZERO, ZERO, ZERO, ZERO, ZERO

        return ops.inline(prepare)

    return make


def _rnn_step(ops: Any) -> Any:
    def step(h, u1, u2, u3, u4, u5, dh, dc):
        return dh * h, ZERO, ZERO, ZERO, ZERO, dc

    return ops.inline(step)


def _tanh_slope(h):
    return ONE - h * h


def _relu_slope(h):
    return ONE if h > ZERO else h  # 0, or NaN, which stays


def _linear_slope(h):
    return ONE


GRADIENTS = {
    "lstm": ClusterGradient(4, 4, _lstm, _lstm_step, (0, 1, 2, 3), reads_c=True),
    "gru": ClusterGradient(3, 4, _gru, _gru_step, (0, 1, 3), reads_h=True),
    "rnn_tanh": ClusterGradient(1, 1, _rnn(_tanh_slope), _rnn_step, (0,)),
    "rnn_relu": ClusterGradient(1, 1, _rnn(_relu_slope), _rnn_step, (0,)),
    "rnn_linear": ClusterGradient(1, 1, _rnn(_linear_slope), _rnn_step, (0,)),
}
"""Every cell of this tier by name."""
