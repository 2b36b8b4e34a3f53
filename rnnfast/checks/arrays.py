"""What an array must be: kind, dtype, shape and strides, with errors that say what to do."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.checks.overlap import overlaps_itself
from rnnfast.problem import Array

DTYPES = (np.dtype("float32"), np.dtype("float64"))
"""What nets compute in, native byte order."""
UNFIT: dict[type, str] = {
    np.ma.MaskedArray: "a masked array, whose mask would be lost: pass its .data, and mask= where it applies",
    np.matrix: "a np.matrix, which stays 2-D whatever is taken from it: pass np.asarray of it",
}
"""Kinds of NumPy array that do not behave as arrays do, and what to do instead."""


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
