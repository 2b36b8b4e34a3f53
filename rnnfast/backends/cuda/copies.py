"""Copies of arrays on a device, there and to where a result is wanted."""

from __future__ import annotations

from typing import Any

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.problem import Array


def copy_kernel(cuda: Any, add: bool) -> Any:
    """Return the kernel of to (+)= source, arrays of three axes with any strides."""

    def kernel(source, to):
        n = cuda.grid(1)
        k, rest = n % source.shape[2], n // source.shape[2]
        i, j = rest // source.shape[1], rest % source.shape[1]
        if i < source.shape[0]:
            if add:
                to[i, j, k] += source[i, j, k]
            else:
                to[i, j, k] = source[i, j, k]

    return kernel


def copied(call: DeviceCall, a: DeviceArray) -> DeviceArray:
    """Return a C-contiguous copy."""
    to = call.empty(a.shape, a.dtype)
    put(call, a, to, add=False)
    return to


def put(call: DeviceCall, a: DeviceArray, to: Array | DeviceArray, *, add: bool) -> None:
    """Write an array, C-contiguous if `to` is NumPy's, or add it, to where a result is wanted."""
    if isinstance(to, DeviceArray):
        call.launch_over(a.size, copy_kernel, (add,), _three_axes(a), _three_axes(to))
    else:
        to[...] = to + call.host(a) if add else call.host(a)


def _three_axes(a: DeviceArray) -> DeviceArray:
    return a[(None,) * (3 - a.ndim)]
