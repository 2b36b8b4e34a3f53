"""Copies of arrays on a device, there and to where a result is wanted."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda.arrays import strided_at
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.driver.scalars import address, int64
from rnnfast.problem import Array


def copy_kernel(cuda: Any, real: Any, add: bool) -> Any:
    """Return the kernel of to (+)= source, arrays of three axes with any steps from number to number."""

    def kernel(
        source: address, i_step: int64, j_step: int64, k_step: int64,
        to: address, to_i: int64, to_j: int64, to_k: int64, steps: int64, rows: int64, width: int64,
    ):  # fmt: skip
        n = cuda.grid(1)
        k, rest = n % width, n // width
        i, j = rest // rows, rest % rows
        if i < steps:
            values = strided_at(source, (steps, rows, width), (i_step, j_step, k_step), real)
            found = strided_at(to, (steps, rows, width), (to_i, to_j, to_k), real)
            found[i, j, k] = found[i, j, k] + values[i, j, k] if add else values[i, j, k]

    return kernel


def copied(call: DeviceCall, a: DeviceArray) -> DeviceArray:
    """Return a C-contiguous copy, of an array with any address, strides and dtype."""
    to = call.empty(a.shape, a.dtype)
    unit = _unit(a)
    if unit == a.dtype.itemsize and a.dtype.kind == "f":
        put(call, a, to, add=False)
    else:  # parts of every number, one after another
        for first in range(0, a.dtype.itemsize, unit):
            put(call, _parts(a, first, unit), _parts(to, first, unit), add=False)
    return to


def _unit(a: DeviceArray) -> int:
    """Return the most bytes, a power of two up to 8, of which an array's address, strides and numbers are multiples."""
    steps = [stride for length, stride in zip(a.shape, a.strides, strict=True) if length > 1]
    return next(unit for unit in (8, 4, 2, 1) if not any(n % unit for n in (a.address, a.dtype.itemsize, *steps)))


def _parts(a: DeviceArray, first: int, unit: int) -> DeviceArray:
    """Return the same bytes of every number as integers."""
    strides = tuple([0 if length <= 1 else stride for length, stride in zip(a.shape, a.strides, strict=True)])
    return DeviceArray(a.address + first, a.shape, strides, np.dtype(f"u{unit}"), a.owner)


def put(call: DeviceCall, a: DeviceArray, to: Array | DeviceArray, *, add: bool) -> None:
    """Write an array, C-contiguous if `to` is NumPy's, or add it, to where a result is wanted."""
    if isinstance(to, DeviceArray):
        shape = (1,) * (3 - a.ndim) + a.shape
        call.launch_over(a.size, copy_kernel, (a.dtype.type, add), *_walk(a), *_walk(to), *shape)
    else:
        to[...] = to + call.host(a) if add else call.host(a)


def _walk(a: DeviceArray) -> tuple[int, ...]:
    """Return an array's address and its steps in numbers, for three axes."""
    item = a.dtype.itemsize
    return (a.address, *(0,) * (3 - a.ndim), *(stride // item for stride in a.strides))
