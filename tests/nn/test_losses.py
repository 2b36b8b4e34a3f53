"""The losses of rnnfast.nn: gradients by finite differences, what is not counted, and large numbers."""

from __future__ import annotations

import numpy as np
import pytest
from differences import close, numeric_gradient

from rnnfast import nn


@pytest.mark.parametrize("masked", [False, True])
def test_cross_entropy_gradients(rng: np.random.Generator, masked: bool) -> None:
    logits, targets = rng.standard_normal((4, 3, 6)), rng.integers(0, 6, (4, 3))
    mask = rng.random((4, 3)) < 0.6 if masked else None
    loss, gradient = nn.cross_entropy(logits, targets, mask=mask)
    softmax = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    surprise = -np.log(np.take_along_axis(softmax, targets[..., None], -1)[..., 0])
    assert loss == pytest.approx(np.mean(surprise if mask is None else surprise[mask]))
    close(gradient, numeric_gradient(lambda: nn.cross_entropy(logits, targets, mask=mask)[0], logits))


def test_cross_entropy_never_reads_what_is_not_counted(rng: np.random.Generator) -> None:
    logits, targets = rng.standard_normal((5, 4)).astype(np.float32), np.array([0, 3, 1, 2, 2])
    mask = np.array([True, False, True, True, False])
    expected, expected_gradient = nn.cross_entropy(logits[mask], targets[mask])
    logits[~mask], targets[~mask] = np.nan, -100
    loss, gradient = nn.cross_entropy(logits, targets, mask=mask)
    assert loss == expected
    assert np.array_equal(gradient[mask], expected_gradient)
    assert not gradient[~mask].any()
    nothing, gradient = nn.cross_entropy(logits, targets, mask=np.zeros(5, bool))
    assert nothing == 0.0
    assert not gradient.any()


@pytest.mark.parametrize("masked", [None, (4, 3, 2), (4, 3), (4,)])
def test_mse_gradients(rng: np.random.Generator, masked: tuple[int, ...] | None) -> None:
    prediction, target = rng.standard_normal((2, 4, 3, 2))
    mask = None if masked is None else rng.random(masked) < 0.6
    loss, gradient = nn.mse(prediction, target, mask=mask)
    squares = (prediction - target) ** 2
    assert loss == pytest.approx(np.mean(squares if mask is None else squares[mask]))
    close(gradient, numeric_gradient(lambda: nn.mse(prediction, target, mask=mask)[0], prediction))


def test_mse_never_reads_what_is_not_counted(rng: np.random.Generator) -> None:
    prediction, target = rng.standard_normal((2, 5, 4)).astype(np.float32)
    mask = np.array([True, False, True, True, False])
    expected, expected_gradient = nn.mse(prediction[mask], target[mask])
    prediction[~mask], target[~mask] = np.nan, np.inf
    loss, gradient = nn.mse(prediction, target, mask=mask, out=prediction)
    assert loss == expected
    assert np.shares_memory(gradient, prediction) and gradient.dtype == np.float32
    assert np.array_equal(gradient[mask], expected_gradient)
    assert not gradient[~mask].any()
    for nothing, gradient in (nn.mse(target, target, mask=np.zeros(5, bool)), nn.mse(target[:0], target[:0])):
        assert nothing == 0.0
        assert not gradient.any()


def test_mse_is_summed_in_float64() -> None:
    assert nn.mse(np.full(9, 1e25, np.float32), np.zeros(9, np.float32))[0] == pytest.approx(1e50)


def test_a_padded_batch_costs_what_its_sequences_cost(rng: np.random.Generator) -> None:
    predictions, targets = ([rng.standard_normal((n, 2)) for n in (3, 0, 5)] for _ in range(2))
    padded, wanted = nn.pad(predictions), nn.pad(targets)
    loss, gradient = nn.mse(padded.values, wanted.values, mask=padded.mask)
    assert loss == pytest.approx(nn.mse(np.concatenate(predictions), np.concatenate(targets))[0])
    assert not gradient[~padded.mask].any()
    as_bytes = nn.mse(padded.values, wanted.values, mask=padded.mask.astype(np.uint8))
    assert as_bytes[0] == loss and np.array_equal(as_bytes[1], gradient)


def test_cross_entropy_is_stable_and_works_in_place() -> None:
    logits = np.array([[1e4, 0.0, -1e4], [-1e4, -1e4, -np.inf]], np.float32)
    loss, gradient = nn.cross_entropy(logits, [0, 1], out=logits)
    assert loss == pytest.approx(np.log(2) / 2)
    assert np.shares_memory(gradient, logits)
    np.testing.assert_allclose(gradient, [[0, 0, 0], [0.25, -0.25, 0]], atol=1e-7)
