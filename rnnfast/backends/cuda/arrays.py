"""Arrays at addresses, within kernels: what arguments that are scalars stand for.

In Python, as the emulator runs kernels, they are views of NumPy's of the host's memory; compiled, of the device's.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba.extending import register_jitable

from rnnfast.problem import Array


@register_jitable
def present(address, rows):
    """Return the rows of an array that may not be there: none where its address is 0."""
    return rows if address != 0 else 0


def array_at(address: int, shape: tuple[int, ...], real: Any) -> Array:
    """Return the C-contiguous array of this shape and number type at an address.

    >>> numbers = np.arange(6, dtype=np.float32)
    >>> array_at(numbers.ctypes.data, (2, 3), np.float32)[1].tolist()
    [3.0, 4.0, 5.0]
    """
    return _view(int(address), tuple(map(int, shape)), None, real)


def arrays_at(parts: tuple[tuple[int, tuple[int, ...]], ...], real: Any) -> tuple[Array, ...]:
    """Return an array for each (address, shape), all of one number of axes."""
    return tuple([array_at(*part, real) for part in parts])


def strided_at(address: int, shape: tuple[int, ...], steps: tuple[int, ...], real: Any) -> Array:
    """Return the array of this shape whose axes have these steps, in elements, which may be negative.

    >>> numbers = np.arange(6, dtype=np.float32)
    >>> strided_at(numbers.ctypes.data + 20, (3,), (-2,), np.float32).tolist()
    [5.0, 3.0, 1.0]
    """
    item = np.dtype(real).itemsize
    return _view(int(address), tuple(map(int, shape)), tuple([int(step) * item for step in steps]), real)


def announce(address: int) -> None:
    """Add one to an int32 counter, for the whole device to see after all that this thread knows to be written."""
    array_at(address, (1,), np.int32)[0] += 1


def announced(address: int) -> int:
    """Return an int32 counter as it is now: what was written before it became so is seen after."""
    return int(array_at(address, (1,), np.int32)[0])


@functools.lru_cache(maxsize=4096)
def _view(address: int, shape: tuple[int, ...], strides: tuple[int, ...] | None, real: Any) -> Array:
    interface = {"data": (address, False), "shape": shape, "strides": strides, "typestr": np.dtype(real).str}
    view: Array = np.asarray(type("Described", (), {"__array_interface__": interface | {"version": 3}})())
    return view
