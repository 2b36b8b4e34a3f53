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


def test_cross_entropy_is_stable_and_works_in_place() -> None:
    logits = np.array([[1e4, 0.0, -1e4], [-1e4, -1e4, -np.inf]], np.float32)
    loss, gradient = nn.cross_entropy(logits, [0, 1], out=logits)
    assert loss == pytest.approx(np.log(2) / 2)
    assert np.shares_memory(gradient, logits)
    np.testing.assert_allclose(gradient, [[0, 0, 0], [0.25, -0.25, 0]], atol=1e-7)
