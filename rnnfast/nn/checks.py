"""Checks of arguments that layers, losses and optimisers share, beyond those of rnnfast.checks.arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnfast.arrays.device_view import on_device
from rnnfast.arrays.host import as_array
from rnnfast.checks.arrays import DTYPES, check_dtype, check_shape
from rnnfast.problem import Array


def floats(name: str, value: Any, dtype: np.dtype[Any], owner: str) -> Array:
    """Return `value` as an array of exactly this dtype. Raises TypeError: nothing is ever cast."""
    array = as_array(name, value)
    check_dtype(name, array, dtype, owner)
    return array


def any_floats(name: str, value: Any) -> Array:
    """Return `value` as an array of float32 or float64, native byte order. Raises TypeError for others."""
    array = as_array(name, value)
    if array.dtype not in DTYPES:
        raise TypeError(f"{name} has dtype {array.dtype.str!r}, expected float32 or float64 in native byte order")
    return array


def floats_as(name: str, value: Any, other: str, dtype: np.dtype[Any]) -> Array:
    """Return `value` as an array of the dtype that the argument called `other` has. Raises TypeError for another."""
    array = as_array(name, value)
    if array.dtype != dtype:
        advice = f"convert it with .astype({dtype.name!r})"
        raise TypeError(f"{name} has dtype {array.dtype.str!r}, expected {dtype.name} as {other} has: {advice}")
    return array


def counted(mask: Any, shape: tuple[int, ...]) -> Array:
    """Return `mask` as a bool array of leading axes of `shape`. Raises TypeError for another dtype, ValueError else."""
    array = as_array("mask", mask)
    if array.dtype not in (np.dtype(np.bool_), np.dtype(np.uint8)):
        raise TypeError(f"mask has dtype {array.dtype}, expected bool or uint8: convert it with .astype(bool)")
    if array.shape != shape[: array.ndim]:
        raise ValueError(f"mask has shape {array.shape}, expected the first axes of {shape}")
    return array.astype(bool, copy=False)


def indices(name: str, value: Any, size: int) -> Array:
    """Return `value` as an array of integers. Raises TypeError for others, ValueError for one outside 0..size-1."""
    array = as_array(name, value)
    if is_empty_list(array, value):
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} has dtype {array.dtype}, expected integers: convert it with .astype('int64')")
    if array.size and not 0 <= array.min() <= array.max() < size:
        raise ValueError(f"{name} holds values from {array.min()} to {array.max()}, expected 0 to {size - 1}")
    return array


def is_empty_list(array: Array, value: Any) -> bool:
    """Return whether `array` was made of a list without numbers, which NumPy makes float64: any dtype will do."""
    return array.size == 0 and not hasattr(value, "dtype")


def by_name(name: str, value: Any) -> None:
    """Raise TypeError unless `value` is a mapping, such as arrays by parameter name."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping from parameter name to array, got {type(value).__name__}")


def float_arrays(name: str, arrays: Mapping[str, Array]) -> None:
    """Raise TypeError unless `arrays` maps names to float32 or float64 arrays of NumPy."""
    by_name(name, arrays)
    for key, array in arrays.items():
        label, advice = f"{name}[{key!r}]", "expected a NumPy array of float32 or float64 in native byte order"
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{label} is a {type(array).__name__}{' on a device' * on_device(array)}, {advice}")
        if array.dtype not in DTYPES:
            raise TypeError(f"{label} has dtype {array.dtype.str!r}, {advice}")


def gradients(grads: Mapping[str, Array], parameters: Mapping[str, Array]) -> dict[str, Array]:
    """The gradients as arrays. Raises ValueError or TypeError unless every parameter has one of its shape and dtype."""
    by_name("grads", grads)
    if grads.keys() != parameters.keys():
        missing = [name for name in parameters if name not in grads]
        unknown = [name for name in grads if name not in parameters]
        raise ValueError(f"expected one gradient per parameter: missing {missing}, of no parameter {unknown}")
    found = {}
    for name, parameter in parameters.items():
        label = f"grads[{name!r}]"
        found[name] = floats_as(label, grads[name], "the parameter", parameter.dtype)
        check_shape(label, found[name], parameter.shape)
    return found
