"""Arrays handed in by callers: viewed without a copy wherever NumPy can, refused where they would need a cast.

As a module it is the `Memory` of calls in host memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np

from rnnfast.device.array import on_device
from rnnfast.overlap import overlaps_itself
from rnnfast.problem import Array

DTYPES = (np.dtype("float32"), np.dtype("float64"))
"""What nets compute in, native byte order."""
UNFIT: dict[type, str] = {
    np.ma.MaskedArray: "a masked array, whose mask would be lost: pass its .data, and mask= where it applies",
    np.matrix: "a np.matrix, which stays 2-D whatever is taken from it: pass np.asarray of it",
}
"""Kinds of NumPy array that do not behave as arrays do, and what to do instead."""
library = None


class Memory(Protocol):
    """Where a call's arrays live: how they are seen there, and new ones made."""

    library: Any
    """Whose arrays they are on a device; None in host memory."""

    def as_array(self, name: str, value: Any) -> Any:
        """`value` as checks and backends see it. Raises TypeError where it lives elsewhere."""

    def on_host(self, name: str, value: Any) -> Any:
        """`value`, which may live here or in host memory, as something in host memory."""

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """A new array for a result, of the caller's kind."""

    def check_output(
        self, name: str, out: Any, shape: tuple[int, ...], dtype: np.dtype[Any], owner: str, *, dense: bool
    ) -> Any:
        """Return `out` if results can be written straight into it, else raise."""

    def strided(self, array: Any) -> Any:
        """`array` itself if backends can walk it, else a copy that they can."""

    def dense(self, array: Any) -> Any:
        """`array` itself if backends take it for a state, else a copy that they take."""

    def apart(self, array: Any, outputs: Iterable[Any]) -> Any:
        """`array`, copied if it may overlap an output."""

    def frame(self, array: Any) -> Array:
        """What tells by address and strides where an array lies."""


def as_array(name: str, value: Any) -> Array:
    """`value` as a NumPy array that shares its memory: an array, `__array_interface__`, DLPack, else what NumPy makes.

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
        raise TypeError(f"{name}, a {type(value).__name__}, cannot be viewed as a NumPy array: {error}") from error
    except ValueError as error:
        raise ValueError(f"{name} is not a rectangular array: {error}") from error


def as_flags(name: str, value: Any, shape: tuple[int, ...]) -> Array:
    """`value` as an array of this shape. Raises TypeError unless it is bool or uint8, ValueError for another shape."""
    array = as_array(name, value)
    if array.dtype not in (np.dtype(np.bool_), np.dtype(np.uint8)):
        raise TypeError(f"{name} has dtype {array.dtype}, expected bool or uint8: convert it with .astype(bool)")
    check_shape(name, array, shape)
    return array


def check_dtype(name: str, array: Array, dtype: np.dtype[Any], owner: str) -> None:
    """Raise TypeError unless `array` has `dtype`, byte order included; nothing is ever cast."""
    if array.dtype == dtype:
        return
    advice = f"convert it with .astype({dtype.name!r})"
    if array.dtype.kind not in "biuf":
        advice = f"pass an array of {dtype.name} numbers"
    if array.dtype in DTYPES:
        advice += f", or make the {owner} with dtype={array.dtype.name!r}"
    kind = array.dtype.name if array.dtype.isnative else f"{array.dtype.str!r}, not this machine's byte order"
    raise TypeError(f"{name} has dtype {kind}, this {owner} computes in {dtype.name}: {advice}")


def check_kind(name: str, value: Any) -> None:
    """Raise TypeError for the kinds of NumPy array in `UNFIT`."""
    for kind, fault in UNFIT.items():
        if isinstance(value, kind):
            raise TypeError(f"{name} is {fault}")


def check_shape(name: str, array: Array, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless `array` has `shape`."""
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape}")


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
    if type(out) is not np.ndarray:
        check_kind(name, out)
    check_target(name, out, shape, dtype, owner, dense=dense)
    return out


def check_target(
    name: str, out: Array, shape: tuple[int, ...], dtype: np.dtype[Any], owner: str, *, dense: bool
) -> None:
    """Raise unless results can be written straight to where `out` lies."""
    check_dtype(name, out, dtype, owner)
    check_shape(name, out, shape)
    if not out.flags.writeable:
        raise ValueError(f"{name} is read-only, expected an array to write into")
    if dense and not (out.flags.c_contiguous and out.flags.aligned):
        raise ValueError(f"{name} has strides {out.strides}, expected an aligned C-contiguous array")
    if not is_strided(out):
        raise ValueError(f"{name} has strides {out.strides}, expected an aligned array with a contiguous last axis")
    if overlaps_itself(out):
        raise ValueError(f"{name} has strides {out.strides}, which put several elements in one place: pass a copy")


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """A new array. Raises MemoryError where the byte count overflows, for which NumPy has a ValueError."""
    try:
        return np.empty(shape, dtype)
    except ValueError as error:
        raise MemoryError(
            f"an array of shape {shape} and dtype {dtype.name} has more bytes than can be addressed"
        ) from error


def on_host(name: str, value: Any) -> Any:
    """`value`: here there is nothing else."""
    return value


def frame(array: Array) -> Array:
    """`array`."""
    return array


def is_strided(array: Array) -> bool:
    """Whether backends can walk `array`: aligned, strides of whole elements, last axis contiguous."""
    size = array.itemsize
    if array.size == 0:  # whatever its strides, which on a device may be anything
        return True
    if array.shape[-1] > 1 and array.strides[-1] != size:
        return False
    for stride in array.strides:
        if stride % size:
            return False
    return array.flags.aligned


def strided(array: Array) -> Array:
    """`array` itself if backends can walk it, else a copy that they can."""
    return array if is_strided(array) else copied(array)


def dense(array: Array) -> Array:
    """`array` itself if it is aligned and C-contiguous, else a copy that is."""
    if array.flags.c_contiguous and array.flags.aligned:
        return array
    copy = empty(array.shape, array.dtype)
    copy[...] = array
    return copy


def copied(array: Array) -> Array:
    """A copy with a contiguous last axis; an axis that only repeats (stride 0) still repeats and costs no memory."""
    once = tuple(slice(0, 1) if stride == 0 else slice(None) for stride in array.strides[:-1])
    unique = array[once]
    copy = empty(unique.shape, array.dtype)
    copy[...] = unique
    return np.broadcast_to(copy, array.shape)


def apart(array: Array | None, outputs: Iterable[Array]) -> Array | None:
    """`array`, copied if it may overlap an output: results are written while inputs are still being read."""
    if array is None or not any(np.may_share_memory(array, out) for out in outputs):
        return array
    return copied(array)
