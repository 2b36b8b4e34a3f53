"""The cells on one unit of one row: from sums with W_hh, and sums of the inputs and biases, to gates, h and c."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast.backends.cuda.cluster.activations import logistic, tanh

ZERO = np.float32(0)


@dataclass(frozen=True)
class ClusterCell:
    """A cell as the cluster kernels run it."""

    gates: int
    """Gates with rows of W_hh and sums of the inputs."""
    slots: int
    """Numbers in a row of recorded gates, by unit."""
    update: Callable[[Any], Any]
    """ops -> the function (s0..s3, x0..x3, h, c) -> four slots, h', c'; s3 of three gates is `bias`."""
    has_c: bool = False
    bounded: bool = True
    """Whether |h'| <= max(1, |h|), so that halves of 16 bits can hold it; else products are in TF32."""
    forgets: bool = True
    """Whether |h'| <= 1, whatever h was."""


def _lstm(ops: Any) -> Any:
    gate, candidate = logistic(ops), tanh(ops)

    def update(s0, s1, s2, s3, x0, x1, x2, x3, h, c):
        i, f, g, o = gate(s0 + x0), gate(s1 + x1), candidate(s2 + x2), gate(s3 + x3)
        c = f * c + i * g
        return i, f, g, o, o * candidate(c), c

    return ops.inline(update)


def _gru(ops: Any) -> Any:
    gate, candidate = logistic(ops), tanh(ops)

    def update(s0, s1, s2, s3, x0, x1, x2, x3, h, c):
        r, z, q = gate(s0 + x0), gate(s1 + x1), s2 + s3  # which is its bias
        n = candidate(r * q + x2)
        return r, z, n, q, z * (h - n) + n, c

    return ops.inline(update)


def _rnn(activation: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def make(ops: Any) -> Any:
        of = activation(ops)

        def update(s0, s1, s2, s3, x0, x1, x2, x3, h, c):
            after = of(s0 + x0)
            return after, ZERO, ZERO, ZERO, after, c

        return ops.inline(update)

    return make


def _relu(ops: Any) -> Any:
    def relu(x):
        return ZERO if x < ZERO else x  # NaN stays

    return ops.inline(relu)


def _linear(ops: Any) -> Any:
    def linear(x):
        return x

    return ops.inline(linear)


CELLS = {
    "lstm": ClusterCell(4, 4, _lstm, has_c=True),
    "gru": ClusterCell(3, 4, _gru, forgets=False),
    "rnn_tanh": ClusterCell(1, 1, _rnn(tanh)),
    "rnn_relu": ClusterCell(1, 1, _rnn(_relu), bounded=False),
    "rnn_linear": ClusterCell(1, 1, _rnn(_linear), bounded=False),
}
"""Every cell of this tier by name: all but the GRU that resets before its product, which has two a step."""
