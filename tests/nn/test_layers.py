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


def test_embedding_from_a_matrix(rng: np.random.Generator) -> None:
    matrix = rng.standard_normal((5, 3))
    layer = nn.Embedding.from_matrix(matrix)
    assert np.array_equal(layer([4, 0]), matrix[[4, 0]])
    layer.parameters["weight"][4] = 0
    assert matrix[4].all()
    assert nn.Embedding.from_matrix(matrix.astype("float32")).parameters["weight"].dtype == np.float32


@pytest.mark.parametrize("shape", [(), (4,), (3, 2, 5), (0, 3), (2, 1)])
def test_log_softmax_gradients(rng: np.random.Generator, shape: tuple[int, ...]) -> None:
    layer, x, dy = nn.LogSoftmax(), rng.standard_normal((*shape, 4)), rng.standard_normal((*shape, 4))
    y, tape = layer.record(x)
    close(np.exp(y), np.exp(x) / np.exp(x).sum(-1, keepdims=True))
    grads = tape.backward(dy)
    assert grads.x is not None and not grads.params
    close(grads.x, numeric_gradient(lambda: float(np.sum(layer(x) * dy)), x))


def test_log_softmax_of_large_logits() -> None:
    y = nn.LogSoftmax()(np.array([[1e4, 0.0, -1e4], [-1e4, -1e4, -np.inf]], np.float32))
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, [[0, -1e4, -2e4], [-np.log(2), -np.log(2), -np.inf]], rtol=1e-6)


def test_cross_entropy_of_log_softmax_is_that_of_the_logits(rng: np.random.Generator) -> None:
    logits, targets = rng.standard_normal((6, 4)), rng.integers(0, 4, 6)
    y, tape = nn.LogSoftmax().record(logits)
    loss, dy = nn.cross_entropy(y, targets)
    expected, d_logits = nn.cross_entropy(logits, targets)
    assert loss == pytest.approx(expected, rel=1e-12)
    close(tape.backward(dy).x, d_logits)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dropout_is_linear_in_what_it_keeps(rng: np.random.Generator, dtype: str) -> None:
    layer, x, dy = nn.Dropout(0.3, seed=5), *(rng.standard_normal((2, 50, 40)).astype(dtype))
    y, tape = layer.record(x)
    kept = y != 0
    assert y.dtype == dtype
    assert kept.mean() == pytest.approx(0.7, abs=0.04)
    np.testing.assert_allclose(y, np.where(kept, x / 0.7, 0), rtol=1e-6)
    dx = tape.backward(dy).x
    assert dx is not None and dx.dtype == dtype
    np.testing.assert_allclose(dx, np.where(kept, dy / 0.7, 0), rtol=1e-6)


def test_dropout_masks_follow_the_seed_and_the_call() -> None:
    x = np.ones(100, np.float32)
    one, same, other = (nn.Dropout(0.5, seed=seed) for seed in (1, 1, 2))
    first = one.record(x)[0]
    assert np.array_equal(first, same.record(x)[0])
    assert not np.array_equal(first, other.record(x)[0])
    assert not np.array_equal(first, one.record(x)[0])


def test_dropout_drops_in_training_only(rng: np.random.Generator) -> None:
    x = rng.standard_normal((3, 4))
    assert np.array_equal(nn.Dropout(0.5)(x), x)
    for y, tape in (nn.Dropout(0.5).record(x, train=False), nn.Dropout(0.0).record(x)):
        assert np.array_equal(y, x)
        assert np.array_equal(tape.backward(2 * x).x, 2 * x)


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
    pairs = np.zeros((4, 2), np.float32)
    for layer, x in (
        (nn.Linear(3, 2), np.zeros((4, 3), np.float32)),
        (nn.Embedding(3, 2), np.array([0, 1, 2, 0])),
        (nn.Dropout(), pairs),
        (nn.LogSoftmax(), pairs),
    ):
        tape = layer.record(x)[1]
        with pytest.raises(ValueError, match="dy has shape"):
            tape.backward(np.zeros((4, 5), np.float32))
        tape.backward(pairs)
        with pytest.raises(RuntimeError, match="call record again"):
            tape.backward(pairs)
