"""Arrays handed in by callers: viewed without a copy wherever NumPy can, refused where they would need a cast.

As a module it is the `Access` of calls in host memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from rnnfast.arrays.device_view import on_device
from rnnfast.checks.arrays import DTYPES, check_kind, check_shape, check_target, conversion, is_strided
from rnnfast.problem import Array

library = None


def as_array(name: str, value: Any) -> Array:
    """Return `value` as a NumPy array that shares its memory: `__array_interface__`, DLPack, else what NumPy makes.

    Raises TypeError where NumPy cannot see the memory (another device, a foreign number type), ValueError for ragged
    lists. `name` is the argument's name in messages.
    """
    if type(value) is np.ndarray:
        return value
    check_kind(name, value)
    if value is None:
        raise TypeError(f"{name} is None, expected an array")
    if on_device(value):
        raise TypeError(
            f"{name}, a {type(value).__name__}, is on a CUDA device, expected an array in host memory: copy it there, "
            'or move the module to the device with .to("cuda")'
        )
    try:
        if hasattr(value, "__dlpack__") and not hasattr(value, "__array_interface__"):
            return np.from_dlpack(value)
        return np.asarray(value)
    except (BufferError, RuntimeError, TypeError) as error:
        kind, text = type(value).__name__, str(error).rstrip(".")
        advice = f": {conversion(value, DTYPES[0])}" if "dtype" in text else ""  # bfloat16, which NumPy lacks
        raise TypeError(f"{name}, a {kind}, cannot be viewed as a NumPy array: {text}{advice}") from error
    except ValueError as error:
        raise ValueError(f"{name} is not a rectangular array: {error}") from error


def as_flags(name: str, value: Any, shape: tuple[int, ...]) -> Array:
    """Return `value` as an array. Raises TypeError unless it is bool or uint8, ValueError for another shape."""
    array = as_array(name, value)
    if array.dtype not in (np.dtype(np.bool_), np.dtype(np.uint8)):
        advice = conversion(value, np.dtype(np.bool_))
        raise TypeError(f"{name} has dtype {array.dtype}, expected bool or uint8: {advice}")
    check_shape(name, array, shape)
    return array


def check_output(
    name: str, out: Any, shape: tuple[int, ...], dtype: np.dtype[Any], owner: str, *, dense: bool
) -> Array:
    """Return `out` if results can be written straight into it, else raise: a copy would never reach the caller."""
    if type(out) is np.ndarray and out.shape == shape and out.dtype is dtype and out.flags.carray:
        return out  # as nearly all are
    if on_device(out):
        return as_array(name, out)  # which raises
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{name} must be a NumPy array to write into, got {type(out).__name__}")
    seen = out
    if type(out) is not np.ndarray:
        check_kind(name, out)
        seen = np.asarray(out)
    check_target(name, seen, shape, dtype, owner, dense=dense)
    return out


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """A new array. Raises MemoryError where the byte count overflows, for which NumPy has a ValueError."""
    try:
        return np.empty(shape, dtype)
    except ValueError as error:
        raise MemoryError(
            f"an array of shape {shape} and dtype {dtype.name} has more bytes than can be addressed"
        ) from error


new = empty


def new_each(shapes: Sequence[tuple[int, ...]], dtype: np.dtype[Any]) -> list[Array]:
    """Return a new array for each shape, uninitialised."""
    return [np.empty(shape, dtype) for shape in shapes]


def result(array: Array) -> Array:
    """Return `array`: backends see what callers do."""
    return array


def on_host(name: str, value: Any) -> Any:
    """Return `value`: on the host there is nothing else."""
    return value


def frame(array: Array) -> Array:
    """Return `array`, which tells itself by address and strides where it lies."""
    return array


def strided(array: Array) -> Array:
    """Return `array` itself if backends can walk it, else a copy that they can."""
    return array if is_strided(array) else copied(array)


def dense(array: Array) -> Array:
    """Return `array` itself if it is aligned and C-contiguous, else a copy that is."""
    if array.flags.c_contiguous and array.flags.aligned:
        return array
    copy = empty(array.shape, array.dtype)
    copy[...] = array
    return copy


def copied(array: Array) -> Array:
    """Return a copy with a contiguous last axis; one that only repeats (stride 0) still does and costs no memory."""
    once = tuple(slice(0, 1) if stride == 0 else slice(None) for stride in array.strides[:-1])
    unique = array[once]
    copy = empty(unique.shape, array.dtype)
    copy[...] = unique
    return np.broadcast_to(copy, array.shape)


def apart(array: Array | None, outputs: Iterable[Array]) -> Array | None:
    """Return `array`, copied if it may overlap an output: results are written while inputs are still being read."""
    if array is None or not any(np.may_share_memory(array, out) for out in outputs):
        return array
    return copied(array)
