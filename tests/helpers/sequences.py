"""A small net and its call for the tests of modules: sizes, options, and everything that a recorded call gives."""

from __future__ import annotations

from typing import Any

import numpy as np

T, B, I, H = 7, 4, 5, 6  # noqa: E741 (I is the input size)
OPTIONS: dict[str, Any] = {"dtype": "float64", "seed": 3}
SEQUENCE_OPTIONS: dict[str, Any] = {
    "lengths": np.array([7, 0, 3, 5]),
    "mask": np.random.default_rng(5).random((T, B)) < 0.8,
    "resets": np.random.default_rng(6).random((T, B)) < 0.2,
}


def everything(net: Any, x: Any, state: Any, dy: Any, d_state: Any, **options: Any) -> tuple[Any, ...]:
    """y, final state and all gradients of one recorded call."""
    y, final, tape = net.record(x, state, **options)
    grads = tape.backward(dy, d_state)
    return y, final, grads.x, grads.state, grads.params
