"""Cells of flax, of linen and of nnx, beside the functions on their converted parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rnnfast.backends.c.library import is_built

jax = pytest.importorskip("jax", reason="jax is not installed")
linen = pytest.importorskip("flax.linen", reason="flax is not installed")
pytestmark = pytest.mark.skipif(not is_built(), reason="the C library was not built")

from flax import nnx  # noqa: E402
from jax_calls import random  # noqa: E402

from rnnfast.integrations import convert  # noqa: E402
from rnnfast.integrations.jax import gru, lstm, of_flax, rnn  # noqa: E402

T, B, I, H = 6, 3, 4, 5  # noqa: E741 (I is the input size)
FUNCTIONS = {"LSTM": lstm, "GRU": gru, "RNN": rnn}
CELLS = {"OptimizedLSTMCell": "LSTM", "LSTMCell": "LSTM", "GRUCell": "GRU", "SimpleCell": "RNN"}
X = random(T, B, I)
DIRECTIONS = "forward", "backward"


def carried(state: Any) -> list[Any]:
    """The arrays of a carry in the order of ours: flax has c first."""
    return [state[1], state[0]] if isinstance(state, tuple) else [state]


def assert_same(kind: str, params: Any, y: Any, carry: Any) -> None:
    """The function gives what the cell gave, y (T, B, H) and its last carry."""
    for converted in (convert.of_flax(kind, params), jax.jit(lambda params: of_flax(kind, params))(params)):
        got, final = FUNCTIONS[kind](converted, X)
        np.testing.assert_allclose(got, y, rtol=2e-5, atol=2e-6)
        for one, other in zip(final if isinstance(final, tuple) else [final], carried(carry), strict=True):
            np.testing.assert_allclose(one[0], other, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_linen(cell: str) -> None:
    net = linen.RNN(getattr(linen, cell)(H), time_major=True, return_carry=True)
    params = net.init(jax.random.key(0), X)["params"]
    params = jax.tree.map(lambda array: random(*array.shape), params)  # biases, too, which begin as zeros
    carry, y = net.apply({"params": params}, X)
    assert_same(CELLS[cell], params["cell"], y, carry)


@pytest.mark.parametrize("cell", CELLS)
def test_nnx(cell: str) -> None:
    made = getattr(nnx, cell)(I, H, rngs=nnx.Rngs(0))
    graph, state, others = nnx.split(made, nnx.Param, ...)
    state = jax.tree.map(lambda array: jax.numpy.asarray(random(*array.shape)), state)
    net = nnx.RNN(nnx.merge(graph, state, others), time_major=True, return_carry=True)
    carry, y = net(X)
    assert_same(CELLS[cell], nnx.to_pure_dict(state), y, carry)


def test_gradients_of_flax_parameters() -> None:
    """Two directions of an LSTM whose parameters stay flax's."""
    net = linen.Bidirectional(*(linen.RNN(linen.OptimizedLSTMCell(H)) for _ in range(2)), time_major=True)
    params, dy = net.init(jax.random.key(0), X)["params"], random(T, B, 2 * H, seed=1)

    def theirs(params: Any) -> Any:
        return (net.apply({"params": params}, X) * dy).sum()

    def ours(params: Any) -> Any:
        cells = [of_flax("LSTM", params[f"{name}_rnn"]["cell"], reverse=name == "backward") for name in DIRECTIONS]
        return (lstm(cells[0] | cells[1], X)[0] * dy).sum()

    got, right = (jax.jit(jax.grad(loss))(params) for loss in (ours, theirs))
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5), got, right)
