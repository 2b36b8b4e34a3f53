"""Arrays at addresses, within kernels: what arguments that are scalars stand for.

In Python, as the emulator runs kernels, they are views of NumPy's of the host's memory; compiled, of the device's.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from rnnfast.problem import Array


def array_at(address: int, shape: tuple[int, ...], real: Any) -> Array:
    """Return the C-contiguous array of this shape and number type at an address.

    >>> numbers = np.arange(6, dtype=np.float32)
    >>> array_at(numbers.ctypes.data, (2, 3), np.float32)[1].tolist()
    [3.0, 4.0, 5.0]
    """
    item = np.dtype(real).itemsize
    count = int(np.prod(shape, dtype=np.int64))
    memory = (ctypes.c_byte * (count * item)).from_address(address) if count else b""
    return np.ndarray(shape, real, memory)


def strided_at(address: int, shape: tuple[int, ...], steps: tuple[int, ...], real: Any) -> Array:
    """Return the array of this shape whose axes have these steps, in elements, which may be negative.

    >>> numbers = np.arange(6, dtype=np.float32)
    >>> strided_at(numbers.ctypes.data + 20, (3,), (-2,), np.float32).tolist()
    [5.0, 3.0, 1.0]
    """
    item = np.dtype(real).itemsize
    interface = {
        "data": (int(address), False),
        "shape": tuple(map(int, shape)),
        "strides": tuple(int(step) * item for step in steps),
        "typestr": np.dtype(real).str,
        "version": 3,
    }
    return np.asarray(type("Described", (), {"__array_interface__": interface})())
