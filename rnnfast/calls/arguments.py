"""The arguments of a call turned into arrays that backends take as they are, or refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.arrays import host
from rnnfast.arrays.access import Access
from rnnfast.arrays.layout import Layout
from rnnfast.calls.prepared import Engine, Prepared
from rnnfast.checks.arrays import check_dtype, check_shape
from rnnfast.checks.overlap import check_apart
from rnnfast.net.description import Net
from rnnfast.problem import Array

BOOL, UINT8, INT64 = np.dtype(np.bool_), np.dtype(np.uint8), np.dtype(np.int64)
FEW = 32
"""Lengths that are looked at one by one faster than by NumPy."""


def is_plain(value: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Return whether `value` needs no other look: a NumPy array of this shape and dtype, dense and aligned."""
    return (
        type(value) is np.ndarray
        and (value.dtype is dtype or value.dtype == dtype)
        and value.shape == shape
        and (flags := value.flags).c_contiguous
        and flags.aligned
    )


def read_layout(engine: Engine, array: Array, x: Any) -> Layout:
    """Return how the axes of x, which `array` is of, are laid out. Raises where the net takes no such x."""
    net = engine.net
    check_dtype("x", array, net.dtype, net.name, x)
    return net.layout(array)


def read_sequence(name: str, value: Any, shape: tuple[int, ...], net: Net, access: Access = host) -> Array:
    """Return a caller's sequence of known shape as an array that backends can walk."""
    array = access.as_array(name, value)
    check_dtype(name, array, net.dtype, net.name, value)
    check_shape(name, array, shape)
    walked: Array = access.strided(array.view() if access is host else array)
    return walked


def read_out(engine: Engine, prepared: Prepared, access: Access, out: Any) -> Any:
    """Return `out` if y can be written straight into it, else raise."""
    net = engine.net
    y = access.check_output("out", out, prepared.y_shape, net.dtype, net.name, dense=False)
    if not engine.frozen:  # whose arrays nobody else can have, nor write to
        check_apart("out", access.frame(y), engine.parameters.frames)
    return y


def read_lengths(value: Any, prepared: Prepared, access: Access) -> Array | None:
    """Return a caller's lengths as a copy (B,) int64: nobody can change what was checked."""
    if value is None:
        return None
    layout, steps, batch = prepared.layout, prepared.steps, prepared.batch
    if is_plain(value, (batch,), INT64) and layout.batch:
        return _checked_lengths(value.copy(), steps)
    array = host.as_array("lengths", access.on_host("lengths", value))
    if array.size == 0 and array.dtype.kind == "f" and not isinstance(value, np.ndarray):
        array = array.astype(np.int64)  # an empty list, which NumPy takes for one of real numbers
    if array.dtype.kind not in "iu" or not array.dtype.isnative:
        raise TypeError(f"lengths has dtype {array.dtype.str!r}, expected integers in this machine's byte order")
    check_shape("lengths", array, (batch,) if layout.batch else ())
    copy: Array = _checked_lengths(np.array(array.reshape(batch)), steps).astype(np.int64)
    return copy


def _checked_lengths(array: Array, steps: int) -> Array:
    """Return `array`. Raises ValueError for a length outside 0..T."""
    for number in array.tolist() if len(array) <= FEW else (array.min(), array.max()):
        if not 0 <= number <= steps:
            low, high = array.min(), array.max()
            raise ValueError(f"lengths go from {low} to {high}, expected 0 to {steps}, the steps of x")
    return array


def read_flags(name: str, value: Any, prepared: Prepared, access: Access) -> Array | None:
    """Return a caller's mask or resets as (T, B) uint8, C-contiguous."""
    if value is None:
        return None
    layout, shape = prepared.layout, prepared.x_shape[:-1]
    if layout.is_time_major and is_plain(value, shape, BOOL):
        plain: Array = value.view(UINT8)
        return plain if plain.ndim == 2 else plain.reshape(prepared.steps, prepared.batch)
    array = host.as_flags(name, access.on_host(name, value), shape)
    return host.dense(layout.sequence(array)).view(np.uint8)
