"""Checks of arrays: kind, dtype, shape and strides, with errors that say what to do."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.checks.overlap import overlaps_itself
from rnnfast.problem import Array

DTYPES = (np.dtype("float32"), np.dtype("float64"))
"""What nets compute in, native byte order."""
MOST = 2**31 - 1
"""The most time steps, and the most rows of a batch, that one call takes: backends count them in 32 bits."""
UNFIT = {
    "MaskedArray": "a masked array, whose mask would be lost: pass its .data, and mask= where it applies",
    "matrix": "a np.matrix, which stays 2-D whatever is taken from it: pass np.asarray of it",
}
"""Kinds of NumPy array that do not behave as arrays do, and what to do instead. By name, because asking NumPy for the
masked kind imports numpy.ma, which takes longer than the rest of this package."""


def conversion(value: Any, dtype: np.dtype[Any]) -> str:
    """Return the advice how `value`, an array or tensor of any library or a list, becomes one of `dtype`.

    >>> conversion([1, 2], np.dtype("float32"))
    "convert it with np.array(..., 'float32')"
    """
    if hasattr(value, "astype"):
        return f"convert it with .astype({dtype.name!r})"
    if type(value).__module__.partition(".")[0] == "torch":
        return f"convert it with .to(torch.{dtype.name})"
    if isinstance(value, (list, tuple)):
        return f"convert it with np.array(..., {dtype.name!r})"
    return f"convert it to {dtype.name}"


def check_dtype(name: str, array: Array, dtype: np.dtype[Any], owner: str, given: Any = None) -> None:
    """Raise TypeError unless `array` has `dtype`, byte order included; nothing is ever cast.

    `given` is what the caller passed, where `array` was made of something else: the advice is how to convert that.
    """
    if array.dtype == dtype:
        return
    advice = conversion(array if given is None else given, dtype)
    if array.dtype.kind in "OSUMmc" or array.dtype.name.startswith("void"):
        advice = f"pass an array of {dtype.name} numbers"
    if array.dtype in DTYPES:
        advice += f", or make the {owner} with dtype={array.dtype.name!r}"
    kind = array.dtype.name if array.dtype.isnative else f"{array.dtype.str!r}, not this machine's byte order"
    raise TypeError(f"{name} has dtype {kind}, this {owner} computes in {dtype.name}: {advice}")


def check_kind(name: str, value: Any) -> None:
    """Raise TypeError for the kinds of NumPy array in `UNFIT`."""
    for kind in type(value).__mro__:
        if kind.__name__ in UNFIT and issubclass(kind, np.ndarray):
            raise TypeError(f"{name} is {UNFIT[kind.__name__]}")


def check_shape(name: str, array: Array, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless `array` has `shape`."""
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape}")


def check_steps(steps: int, batch: int) -> None:
    """Raise ValueError for an x of more time steps, or of more rows, than one call takes.

    >>> check_steps(steps=2**31, batch=1)
    Traceback (most recent call last):
    ...
    ValueError: x has 2147483648 time steps, expected at most 2147483647: cut it and carry the state from part to part
    """
    if steps > MOST:
        raise ValueError(
            f"x has {steps} time steps, expected at most {MOST}: cut it and carry the state from part to part"
        )
    if batch > MOST:
        raise ValueError(f"x has {batch} rows, expected at most {MOST}: call the net with a part of them at a time")


def check_target(
    name: str, out: Array, shape: tuple[int, ...], dtype: np.dtype[Any], owner: str, *, dense: bool
) -> None:
    """Raise TypeError or ValueError unless results can be written straight to where `out` lies."""
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


def is_strided(array: Array) -> bool:
    """Return whether backends can walk `array`: aligned, strides of whole elements, last axis contiguous."""
    size = array.itemsize
    if array.size == 0:  # whatever its strides, which on a device may be anything
        return True
    if array.shape[-1] > 1 and array.strides[-1] != size:
        return False
    for stride in array.strides:
        if stride % size:
            return False
    return array.flags.aligned
