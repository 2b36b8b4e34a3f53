"""The layers of rnnfast.nn: gradients by finite differences, initial values, and tapes that serve once."""

from __future__ import annotations

import numpy as np
import pytest
from differences import close, numeric_gradient

from rnnfast import nn


@pytest.mark.parametrize("leading", [(), (1,), (5,), (3, 2), (2, 1, 3), (0,), (4, 0)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_gradients(rng: np.random.Generator, leading: tuple[int, ...], bias: bool) -> None:
    layer = nn.Linear(4, 3, bias=bias, dtype="float64", seed=1)
    x, dy = rng.standard_normal((*leading, 4)), rng.standard_normal((*leading, 3))
    y, tape = layer.record(x)
    assert y.shape == (*leading, 3)
    close(y, x @ layer.parameters["weight"].T + layer.parameters.get("bias", 0.0))
    grads = tape.backward(dy)

    def loss() -> float:
        return float(np.sum(layer(x) * dy))

    assert grads.x is not None
    close(grads.x, numeric_gradient(loss, x))
    assert grads.params.keys() == layer.parameters.keys()
    for name, parameter in layer.parameters.items():
        close(grads.params[name], numeric_gradient(loss, parameter))


def test_linear_reads_strided_arrays(rng: np.random.Generator) -> None:
    layer = nn.Linear(4, 3, dtype="float64", seed=1)
    x, dy = rng.standard_normal((5, 2, 4)).swapaxes(0, 1), rng.standard_normal((2, 3, 5)).swapaxes(1, 2)
    y, tape = layer.record(x)
    close(y, layer(x.copy()))
    plain = layer.record(x.copy())[1].backward(dy.copy())
    grads = tape.backward(dy, need_x=False)
    assert grads.x is None
    for name in plain.params:
        close(grads.params[name], plain.params[name])


@pytest.mark.parametrize("shape", [(), (1,), (40,), (6, 5), (0,)])
@pytest.mark.parametrize("kind", ["int64", "int32", "uint8"])
def test_embedding_gradients(rng: np.random.Generator, shape: tuple[int, ...], kind: str) -> None:
    layer = nn.Embedding(9, 3, dtype="float64", seed=2)
    index = rng.integers(0, 9, shape).astype(kind)
    dy = rng.standard_normal((*shape, 3))
    y, tape = layer.record(index)
    assert y.shape == (*shape, 3)
    assert np.array_equal(y, layer.parameters["weight"][index.astype(int)])
    grads = tape.backward(dy)
    assert grads.x is None
    close(
        grads.params["weight"], numeric_gradient(lambda: float(np.sum(layer(index) * dy)), layer.parameters["weight"])
    )


def test_initial_values_follow_the_seed() -> None:
    for make in (nn.Linear, nn.Embedding):
        one, same, other = (make(50, 40, seed=seed).parameters["weight"] for seed in (1, 1, 2))
        assert one.dtype == np.float32
        assert np.array_equal(one, same)
        assert not np.array_equal(one, other)
    weight = nn.Linear(100, 400, seed=0).parameters["weight"]
    assert 0.099 < np.abs(weight).max() <= 0.1
    assert nn.Embedding(200, 200, seed=0).parameters["weight"].std() == pytest.approx(1.0, abs=0.05)


def test_a_tape_serves_one_backward() -> None:
    for layer, x in ((nn.Linear(3, 2), np.zeros((4, 3), np.float32)), (nn.Embedding(3, 2), np.array([0, 1, 2, 0]))):
        tape = layer.record(x)[1]
        with pytest.raises(ValueError, match="dy has shape"):
            tape.backward(np.zeros((4, 5), np.float32))
        tape.backward(np.zeros((4, 2), np.float32))
        with pytest.raises(RuntimeError, match="call record again"):
            tape.backward(np.zeros((4, 2), np.float32))
