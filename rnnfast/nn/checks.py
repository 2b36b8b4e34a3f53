"""Checks of arguments that layers, losses and optimisers share, beyond those of rnnfast.arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnfast.arrays import as_array, check_dtype, check_shape
from rnnfast.problem import Array


def floats(name: str, value: Any, dtype: np.dtype[Any], owner: str) -> Array:
    """`value` as an array of exactly this dtype. Raises TypeError: nothing is ever cast."""
    array = as_array(name, value)
    check_dtype(name, array, dtype, owner)
    return array


def indices(name: str, value: Any, size: int) -> Array:
    """`value` as an array of integers. Raises TypeError for another kind, ValueError for one outside 0..size-1."""
    array = as_array(name, value)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} has dtype {array.dtype}, expected integers: convert it with .astype('int64')")
    if array.size and not 0 <= array.min() <= array.max() < size:
        raise ValueError(f"{name} holds values from {array.min()} to {array.max()}, expected 0 to {size - 1}")
    return array


def positive(name: str, value: float) -> float:
    """`value` as a float. Raises ValueError unless it is finite and above zero."""
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} is {value}, expected a finite number above 0")
    return float(value)


def gradients(grads: Mapping[str, Array], parameters: Mapping[str, Array], owner: str) -> None:
    """Raise ValueError or TypeError unless every parameter has its gradient, of the same shape and dtype."""
    if grads.keys() != parameters.keys():
        missing, unknown = sorted(parameters.keys() - grads.keys()), sorted(grads.keys() - parameters.keys())
        raise ValueError(f"expected one gradient per parameter: missing {missing}, of no parameter {unknown}")
    for name, parameter in parameters.items():
        label = f"grads[{name!r}]"
        check_shape(label, floats(label, grads[name], parameter.dtype, owner), parameter.shape)
