"""The arrays of one call: sequences, lengths and flags read from the caller's, results made or taken."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.arrays import host
from rnnfast.arrays.access import Memory
from rnnfast.arrays.host import as_array, as_flags, dense
from rnnfast.arrays.layout import Layout
from rnnfast.checks.arrays import check_dtype, check_shape
from rnnfast.net.description import Net
from rnnfast.problem import Array


def result(name: str, out: Any, shape: tuple[int, ...], net: Net, memory: Memory = host, *, dense: bool = False) -> Any:
    """An array for a result: a new one if `out` is None, else `out`, which must fit as it is."""
    if out is None:
        return memory.empty(shape, net.dtype)
    return memory.check_output(name, out, shape, net.dtype, net.name, dense=dense)


def read_sequence(
    name: str, value: Any, shape: tuple[int, ...], net: Net, layout: Layout, memory: Memory = host
) -> Array:
    """A caller's sequence of known shape as a time-major view that backends can walk."""
    array = memory.as_array(name, value)
    check_dtype(name, array, net.dtype, net.name)
    check_shape(name, array, shape)
    walked: Array = memory.strided(layout.sequence(array))
    return walked


def lengths_of(value: Any, layout: Layout, steps: int, batch: int) -> Array | None:
    """A caller's lengths as a copy (B,) int64: nobody can change what was checked."""
    if value is None:
        return None
    array = as_array("lengths", value)
    if array.dtype.kind not in "iu" or not array.dtype.isnative:
        raise TypeError(f"lengths has dtype {array.dtype.str!r}, expected integers in this machine's byte order")
    check_shape("lengths", array, (batch,) if layout.batch else ())
    if array.size and not 0 <= array.min() <= array.max() <= steps:
        raise ValueError(f"lengths go from {array.min()} to {array.max()}, expected 0 to {steps}, the steps of x")
    return array.reshape(batch).astype(np.int64)


def flags_of(name: str, value: Any, layout: Layout, steps: int, batch: int) -> Array | None:
    """A caller's mask or resets as (T, B) uint8, C-contiguous."""
    if value is None:
        return None
    array = as_flags(name, value, layout.sequence_shape(steps, batch))
    return dense(layout.sequence(array)).view(np.uint8)
