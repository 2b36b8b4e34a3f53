"""Weights in bfloat16 and int8: what is computed with them, on every backend and instruction set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from narrow_nets import BACKENDS, EVERY_KIND, ROUNDS, TYPES, VARIANTS, I, distance, net, normal, twin
from nets import parts

import rnnfast


@EVERY_KIND
@TYPES
@pytest.mark.parametrize("backend", BACKENDS)
def test_results_are_those_of_the_rounded_weights(kind: str, weights: str, backend: str) -> None:
    module = net(kind, backend=backend, num_layers=2, bidirectional=True)
    frozen, x = module.freeze(weights=weights), normal(9, 3, I)
    truth = twin(net(kind, num_layers=2, bidirectional=True, backend="reference"), frozen)(x)[0]
    assert distance(frozen(x)[0], truth) < 1e-6
    assert distance(frozen(x)[0], module(x)[0].astype("float64")) > 1e-6


@EVERY_KIND
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("batch", [1, 2, 3, 9, 20])
@pytest.mark.parametrize("sizes", [(7, 33), (1, 16), (70, 130), (64, 6)])
def test_bfloat16_has_the_bits_of_float32(kind: str, variant: str, batch: int, sizes: tuple[int, int]) -> None:
    if kind == "projected" and sizes[1] < 20:
        pytest.skip("h is projected to 19 numbers")
    module = net(kind, *sizes, backend=variant, num_layers=2)
    frozen, x = module.freeze(weights="bfloat16"), normal(6, batch, sizes[0])
    y, state = twin(module, frozen).freeze()(x)
    found, last = frozen(x)
    if ROUNDS in frozen.ran_on(batch):
        assert batch >= 4 and variant == "c:avx512"
        assert 0 < distance(found, y.astype("float64")) < 4e-3
        return
    np.testing.assert_array_equal(found, y)
    for got, expected in zip(parts(last), parts(state), strict=True):
        np.testing.assert_array_equal(got, expected)


@EVERY_KIND
@TYPES
def test_both_directions_of_several_layers(kind: str, weights: str) -> None:
    """The inputs of the second layer come in two stretches, each of which is filled up to whole lines."""
    module = net(kind, 5, 21, num_layers=3, bidirectional=True, backend="c")
    frozen = module.freeze(weights=weights)
    batch = 3 if ROUNDS in frozen.ran_on(13) else 13
    x, mask = normal(7, batch, 5), np.random.default_rng(0).random((7, batch)) < 0.7
    y = twin(module, frozen).freeze()(x, mask=mask)[0]
    if weights == "bfloat16":
        np.testing.assert_array_equal(frozen(x, mask=mask)[0], y)
    assert distance(frozen(x, mask=mask)[0], y.astype("float64")) < 1e-6


@EVERY_KIND
@TYPES
@pytest.mark.parametrize("variant", VARIANTS)
def test_steps_without_a_live_row(kind: str, weights: str, variant: str) -> None:
    frozen, x = net(kind, backend=variant).freeze(weights=weights), normal(6, 3, I)
    mask = np.ones((6, 3), bool)
    mask[[0, 3, 5]] = False
    expected, last = frozen(x[mask[:, 0]])
    found, final = frozen(x, mask=mask)
    np.testing.assert_array_equal(found[mask[:, 0]], expected)
    assert not found[~mask].any()
    for got, state in zip(parts(final), parts(last), strict=True):
        np.testing.assert_array_equal(got, state)


@TYPES
@pytest.mark.parametrize("backend", rnnfast.backends())
def test_every_backend_says_where_it_ran(weights: Any, backend: str) -> None:
    if rnnfast.backends()[backend] is not None:
        pytest.skip(str(rnnfast.backends()[backend]))
    assert rnnfast.GRU(3, 4, seed=0, backend=backend).freeze(weights=weights).ran_on(3) == backend
