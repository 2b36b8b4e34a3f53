"""Inputs of nets with weights in bfloat16 and int8: of any size, at the ends of their range, infinite, no numbers."""

from __future__ import annotations

import numpy as np
import pytest
from narrow_nets import ROUNDS, TYPES, H, I, distance, net, normal

import rnnfast


@TYPES
@pytest.mark.parametrize(
    "extreme", ["largest", "one large", "alternating", "zeros", 254 / 255, "0x3ffefefe", "0x3ffefeff", "0x3ffeffff"]
)
def test_inputs_at_the_ends_of_their_range(weights: str, extreme: str | float) -> None:
    """Numbers that whole ones of 32 bits just hold or no longer, beside others that these hardly see."""
    module = rnnfast.RNN(200, H, nonlinearity="linear", bias=False, seed=0, backend="c")
    frozen, x = module.freeze(weights=weights), normal(1, 3, 200)
    below_two = np.nextafter(np.float32(2), np.float32(0))
    if extreme == "largest":
        x[:] = np.copysign(below_two, x)
    elif extreme == "one large":
        x[..., ::50] = below_two * np.float32(2.0**20)
    elif extreme == "alternating":
        x[..., ::2], x[..., 1::2] = np.float32(1.9921875), -np.nextafter(np.float32(1.9921875), np.float32(0))
    elif extreme == "zeros":
        x[..., 64:] = 0
    else:
        largest = np.array(int(extreme, 16), np.uint32).view("float32") if isinstance(extreme, str) else extreme
        x = np.clip(x, -0.5, 0.5)
        x[..., 7::60] = largest
    truth = x.astype("float64") @ frozen.parameters["weight_ih_l0"].astype("float64").T
    assert distance(frozen(x)[0], truth) < 1e-6


@TYPES
@pytest.mark.parametrize("rows", [1, 5, 40])
@pytest.mark.parametrize("inputs", [2, I, 200, 1100])
@pytest.mark.parametrize("size", [10, 100, 1e4, 1e8, 1e30])
def test_a_large_number_takes_nothing_from_the_others(weights: str, rows: int, inputs: int, size: float) -> None:
    """One that its weight, nothing, leaves out of a sum, in every second row: a time in seconds among features, say."""
    module = rnnfast.RNN(inputs, H, nonlinearity="linear", bias=False, seed=0, backend="c")
    module.parameters["weight_ih_l0"][:, -1] = 0
    frozen, x = module.freeze(weights=weights), normal(1, rows, inputs)
    x[:, ::2, -1] = size
    truth = x.astype("float64") @ frozen.parameters["weight_ih_l0"].astype("float64").T
    within = 4e-3 if ROUNDS in frozen.ran_on(rows) else 2e-6
    for row in range(rows):
        assert distance(frozen(x)[0][:, row], truth[:, row]) < within


@TYPES
@pytest.mark.parametrize("rows", [1, 20])
@pytest.mark.parametrize("large", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("inputs", [2, 10, 200, 1100])
@pytest.mark.parametrize("ratio", [30, 300, 1500, 1e4, 1e7, 1e30])
def test_large_numbers_take_nothing_from_the_others(
    weights: str, rows: int, inputs: int, large: float, ratio: float
) -> None:
    """Features that were not brought to one size, and units that read the smaller ones alone, every one for itself."""
    module = rnnfast.RNN(inputs, H, nonlinearity="linear", bias=False, seed=0, backend="c")
    of_large = np.arange(inputs) % 10 < 10 * large
    of_large[-1] = False
    module.parameters["weight_ih_l0"][:, of_large] = 0
    frozen, x = module.freeze(weights=weights), normal(1, rows, inputs)
    x[..., of_large] *= np.float32(ratio)
    truth = x.astype("float64") @ frozen.parameters["weight_ih_l0"].astype("float64").T
    within = 4e-3 if ROUNDS in frozen.ran_on(rows) else 1e-6
    found = frozen(x)[0]
    for row in range(rows):
        assert distance(found[:, row], truth[:, row]) < within


@pytest.mark.parametrize("rows", [1, 20])
@pytest.mark.parametrize("small", [0, 1, 31, 32, 33, 64])
@pytest.mark.parametrize("inputs", [65, 512, 1100])
def test_each_of_few_or_many_small_numbers(rows: int, small: int, inputs: int) -> None:
    """Wherever among the others these are, for the one unit that reads it; more than 32 have their weights widened."""
    module = rnnfast.RNN(inputs, inputs, nonlinearity="linear", bias=False, seed=0, backend="c")
    module.parameters["weight_ih_l0"][:] = np.eye(inputs, dtype="float32")
    frozen, x = module.freeze(weights="int8"), np.copysign(np.float32(1.5), normal(1, rows, inputs))
    which = np.random.default_rng(1).permutation(inputs)[:small]
    x[..., which] = normal(1, rows, small) * np.float32(1e-6)
    np.testing.assert_allclose(frozen(x)[0], x * frozen.parameters["weight_ih_l0"].diagonal(), rtol=3e-7)


@TYPES
@pytest.mark.parametrize(("size", "of_weights"), [(1e-10, 1e-20), (1e-20, 1e-10), (1e20, 1e-25), (1e35, 1e-3)])
def test_products_of_the_small_and_the_large(weights: str, size: float, of_weights: float) -> None:
    module = rnnfast.RNN(I, H, nonlinearity="linear", bias=False, seed=0, backend="c")
    module.parameters["weight_ih_l0"][:] *= np.float32(of_weights)
    frozen, x = module.freeze(weights=weights), normal(1, 3, I)
    x *= np.float32(size) / np.abs(x).max()
    truth = x.astype("float64") @ frozen.parameters["weight_ih_l0"].astype("float64").T
    for rows in (1, 3):
        assert distance(frozen(x[:, :rows])[0], truth[:, :rows]) < 1e-6


@TYPES
@pytest.mark.parametrize("size", [1e-36, 1e-26, 1e-3, 1e30])
def test_inputs_of_any_size(weights: str, size: float) -> None:
    """A linear net, which passes them on; int8 may take the smallest for zeros."""
    module = rnnfast.RNN(I, H, nonlinearity="linear", bias=False, seed=0, backend="c")
    frozen, x = module.freeze(weights=weights), normal(1, 3, I) * np.float32(size)
    truth = x.astype("float64") @ frozen.parameters["weight_ih_l0"].astype("float64").T
    zero = 1e-30 if weights == "int8" else np.finfo("float32").tiny
    limit = 1e-6 * np.linalg.norm(truth) + np.sqrt(truth.size) * zero
    for rows in (1, 3):
        assert np.linalg.norm(frozen(x[:, :rows])[0] - truth[:, :rows]) <= limit


@TYPES
def test_what_is_no_number_stays_in_its_row(weights: str) -> None:
    frozen, x = net("lstm", backend="c").freeze(weights=weights), normal(4, 3, I)
    expected = frozen(x)[0]
    x[1, 1] = np.nan
    found = frozen(x)[0]
    np.testing.assert_array_equal(found[:, [0, 2]], expected[:, [0, 2]])
    np.testing.assert_array_equal(found[0, 1], expected[0, 1])
    assert np.isnan(found[1:, 1]).all()


@TYPES
def test_infinite_inputs_are_those_of_float32(weights: str) -> None:
    """A linear net, in whose outputs they stay; twelve rows, one of which is finite among them."""
    module = rnnfast.RNN(I, H, nonlinearity="linear", bias=False, seed=0, backend="c")
    frozen, x = module.freeze(weights=weights), normal(1, 12, I)
    x[0, :11, 3] = np.inf
    x[0, 5, 4] = -np.inf
    with np.errstate(invalid="ignore"):
        expected = x @ frozen.parameters["weight_ih_l0"].T
    found = frozen(x)[0]
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_array_equal(found[np.isinf(expected)], expected[np.isinf(expected)])
    within = 4e-3 if ROUNDS in frozen.ran_on(12) else 1e-6
    assert distance(found[0, 11], expected[0, 11].astype("float64")) < within
