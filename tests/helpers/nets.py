"""Modules of every kind for the tests, on the first backend that can run here, and a comparison of nested results."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import rnnfast

BACKEND = next(name for name, reason in rnnfast.backends().items() if reason is None)
KINDS = {
    "rnn": partial(rnnfast.RNN, backend=BACKEND),
    "lstm": partial(rnnfast.LSTM, backend=BACKEND),
    "gru": partial(rnnfast.GRU, backend=BACKEND),
    "gru_before": partial(rnnfast.GRU, backend=BACKEND, reset_after=False),
}
CELLS = {
    "rnn": partial(rnnfast.RNNCell, backend=BACKEND),
    "lstm": partial(rnnfast.LSTMCell, backend=BACKEND),
    "gru": partial(rnnfast.GRUCell, backend=BACKEND),
    "gru_before": partial(rnnfast.GRUCell, backend=BACKEND, reset_after=False),
}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


def normal(*shape: int, seed: int = 0) -> Any:
    """Random float64 numbers."""
    return np.random.default_rng(seed).standard_normal(shape)


def parts(state: Any) -> tuple[Any, ...]:
    """The arrays of a state, one or two."""
    return state if isinstance(state, tuple) else (state,)


def states(kind: str, *shape: int) -> Any:
    """A random state of a module of this kind: h, or (h, c)."""
    return (normal(*shape, seed=1), normal(*shape, seed=2)) if kind == "lstm" else normal(*shape, seed=1)


def map_state(function: Any, state: Any) -> Any:
    """A function of each array of a state, as a state."""
    return tuple(map(function, state)) if isinstance(state, tuple) else function(state)


def assert_same(got: Any, expected: Any) -> None:
    """Equal within rounding: arrays, states, gradients, dicts and tuples of them."""
    if isinstance(expected, np.ndarray):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-13)
    elif isinstance(expected, dict):
        assert got.keys() == expected.keys()
        for name in expected:
            assert_same(got[name], expected[name])
    elif isinstance(expected, tuple):
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            assert_same(one, other)
    else:
        assert_same((got.x, got.state, got.params), (expected.x, expected.state, expected.params))
