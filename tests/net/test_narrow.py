"""Weights rounded to bfloat16 and int8: the numbers, and what a file keeps of them."""

from __future__ import annotations

import numpy as np
import pytest

from rnnfast.net.narrow import rounded, stored, widened
from rnnfast.problem import Array


def matrix(seed: int = 0) -> Array:
    """Rows of every size, one of zeros and one too small for a scale."""
    found = np.random.default_rng(seed).standard_normal((40, 23)) * np.logspace(-30, 30, 40)[:, None]
    found[3], found[4] = 0, 1e-33
    return found.astype("float32")


def test_bfloat16_is_the_nearest_and_of_two_the_even() -> None:
    a = matrix()
    found = rounded("w", a, "bfloat16")
    assert not (found.view(np.uint32) & 0xFFFF).any()
    above = (found.view(np.uint32) + 0x10000).view(np.float32)
    below = (found.view(np.uint32) - 0x10000).view(np.float32)
    off = np.abs(found.astype("float64") - a)
    assert (off <= np.abs(above.astype("float64") - a)).all()
    assert (off[found != 0] <= np.abs(below.astype("float64") - a)[found != 0]).all()
    ties = np.array([[1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-8, 3.4e38, np.inf, -np.inf, np.nan]], np.float32)
    expected = np.array([[1, 1 + 2**-6, -1, np.inf, np.inf, -np.inf, np.nan]], np.float32)
    np.testing.assert_array_equal(rounded("w", ties, "bfloat16"), expected)


def test_int8_is_a_whole_number_times_the_scale_of_its_row() -> None:
    a = matrix()
    kept = stored("w", a, "int8")
    whole, scale = kept["w"], kept["w_scale"]
    found = rounded("w", a, "int8")
    np.testing.assert_array_equal(found.astype("float64"), whole.astype("float64") * scale.astype("float64")[:, None])
    assert (np.abs(whole).max(axis=1)[[0, 1, 2, 5, 39]] == 127).all()
    assert not found[3:5].any() and not scale[3:5].any()
    regular = np.delete(np.arange(40), [3, 4])
    off = np.abs(found.astype("float64") - a)[regular]
    assert (off <= np.abs(a[regular]).max(axis=1, keepdims=True) / 127 / 2 * (1 + 1e-4)).all()


@pytest.mark.parametrize("weights", ["bfloat16", "int8"])
@pytest.mark.parametrize("seed", range(5))
def test_rounding_again_changes_nothing(weights: str, seed: int) -> None:
    once = rounded("w", matrix(seed), weights)
    np.testing.assert_array_equal(rounded("w", once, weights), once)
    np.testing.assert_array_equal(widened(stored("weight_w", once, weights), weights)["weight_w"], once)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -3.4028e38, np.finfo("float32").max])
def test_int8_holds_finite_numbers_alone(value: float) -> None:
    a = matrix()
    a[2, 2] = value
    with pytest.raises(ValueError, match="w holds NaN or infinity"):
        rounded("w", a, "int8")
