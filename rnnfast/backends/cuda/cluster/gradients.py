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
    step: Callable[[Any], Any]
    """ops -> the function (gates g0..g3, state after, state before, dh, dc) -> d0..d3, what h and c before carry."""
    recurrent: tuple[int, ...]
    """The slots of d that are multiplied with the gates' rows of W_hh."""
    reads_c: bool = False
    """The states that it reads are c, after the visit and before it."""
    reads_h: bool = False
    """The state before that it reads is h."""


def _lstm(ops: Any) -> Any:
    tanh_of = tanh(ops)

    def step(i, f, g, o, c, c_before, dh, dc):
        tanh_c = tanh_of(c)
        dc = dh * o * (ONE - tanh_c * tanh_c) + dc
        di, df = dc * g * (i * (ONE - i)), dc * c_before * (f * (ONE - f))
        return di, df, dc * i * (ONE - g * g), dh * tanh_c * (o * (ONE - o)), ZERO, dc * f

    return ops.inline(step)


def _gru(ops: Any) -> Any:
    def step(r, z, n, q, c, h_before, dh, dc):
        dn, dz = dh * (ONE - z) * (ONE - n * n), dh * (h_before - n) * (z * (ONE - z))
        return dn * q * (r * (ONE - r)), dz, dn, dn * r, dh * z, dc

    return ops.inline(step)


def _rnn(slope: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def make(ops: Any) -> Any:
        of = ops.inline(slope)

        def step(h, g1, g2, g3, c, h_before, dh, dc):
            return dh * of(h), ZERO, ZERO, ZERO, ZERO, dc

        return ops.inline(step)

    return make


def _tanh_slope(h):
    return ONE - h * h


def _relu_slope(h):
    return ONE if h > ZERO else ZERO


def _linear_slope(h):
    return ONE


GRADIENTS = {
    "lstm": ClusterGradient(4, 4, _lstm, (0, 1, 2, 3), reads_c=True),
    "gru": ClusterGradient(3, 4, _gru, (0, 1, 3), reads_h=True),
    "rnn_tanh": ClusterGradient(1, 1, _rnn(_tanh_slope), (0,)),
    "rnn_relu": ClusterGradient(1, 1, _rnn(_relu_slope), (0,)),
    "rnn_linear": ClusterGradient(1, 1, _rnn(_linear_slope), (0,)),
}
"""Every cell of this tier by name."""
