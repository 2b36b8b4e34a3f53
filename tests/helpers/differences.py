"""Gradients by finite differences, for the tests of rnnfast.nn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def numeric_gradient(loss: Callable[[], float], array: Array, step: float = 1e-6) -> Array:
    """Central differences of `loss` with respect to every entry of `array`, which is changed and put back."""
    gradient = np.empty_like(array)
    for at in np.ndindex(array.shape):
        kept = array[at]
        array[at] = kept + step
        above = loss()
        array[at] = kept - step
        gradient[at] = (above - loss()) / (2 * step)
        array[at] = kept
    return gradient


def close(actual: Array, expected: Array) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-8)
