"""Probes of librnnfast: its own element-wise functions, and loops that measure the processor."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import DTypeLike

from rnnfast.backends.c.library import check, dtype_id, isa_id, library
from rnnfast.problem import Array

_FUNCTIONS = {"exp": "RF_EXP", "tanh": "RF_TANH", "logistic": "RF_LOGISTIC"}


def elementwise(function: Literal["exp", "tanh", "logistic"], x: Array, variant: str | None = None) -> Array:
    """The kernels' own exp, tanh or logistic function of every element of x, at most 2 units in the last place off."""
    ffi, lib = library()
    x = np.ascontiguousarray(x)
    y = np.empty_like(x)
    arrays = (ffi.cast("void *", array.ctypes.data) for array in (x, y))
    check(
        lib.rf_elementwise(isa_id(variant), dtype_id(x.dtype), getattr(lib, _FUNCTIONS[function]), x.size, *arrays),
        variant,
    )
    return y


def fma_loop(dtype: DTypeLike, rounds: int, variant: str | None = None) -> float:
    """Run `rounds` of independent fused multiply-adds on registers alone; their floating-point operations."""
    ffi, lib = library()
    flops = ffi.new("double *")
    check(lib.rf_fma_loop(isa_id(variant), dtype_id(dtype), rounds, flops), variant)
    return float(flops[0])


def read_loop(data: Array, rounds: int, variant: str | None = None) -> float:
    """Read an array of bytes, C-contiguous, from end to end `rounds` times; the bytes read."""
    ffi, lib = library()
    read_bytes = ffi.new("double *")
    check(lib.rf_read_loop(isa_id(variant), data.nbytes, ffi.from_buffer(data), rounds, read_bytes), variant)
    return float(read_bytes[0])
