"""A CUDA device as the host side uses it: arrays on it, kernels made for it, launches."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from rnnfast.cuda_kernels.tiers import Limits
from rnnfast.problem import Array

THREADS = 256
"""Of every block but those of products."""


def limits_of(capability: tuple[int, int], blocks: int) -> Limits:
    """What is used of a device. Before 9.0 the rest needs so many registers that 128 words of a thread do not stay."""
    return Limits(THREADS, 32, (64, 128) if capability >= (9, 0) else (64,), 48 << 10, blocks)


class Device:
    """The current device of numba.cuda. The tests' emulator has the same methods."""

    side, each = 16, 4
    """Of the tiles of products, see product.py."""

    def __init__(self) -> None:
        from numba import cuda

        self.cuda: Any = cuda
        current = cuda.get_current_device()
        blocks = current.MULTIPROCESSOR_COUNT  # a block of resident weights fills one
        major, minor = current.compute_capability
        name = current.name if isinstance(current.name, str) else current.name.decode()
        self.name = f"{name}, compute capability {major}.{minor}, {blocks} multiprocessors"
        self.limits = limits_of((major, minor), blocks)

    @functools.cache  # noqa: B019 - there is one device, and it stays
    def kernel(self, make: Callable[..., Any], *constants: Any) -> Any:
        """The kernel that make(cuda, *constants) describes."""
        return self.cuda.jit(make(self.cuda, *constants))

    def launch(self, kernel: Any, blocks: Any, threads: int, *arguments: Any) -> None:
        """Run it on so many blocks, a number or (x, y)."""
        kernel[blocks, threads](*arguments)

    def array(self, a: Array) -> Any:
        """A C-contiguous copy on the device."""
        return self.cuda.to_device(np.ascontiguousarray(a))

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """An array with anything in it."""
        return self.cuda.device_array(shape, dtype)

    def host(self, a: Any) -> Array:
        """A copy for NumPy."""
        copy: Array = a.copy_to_host()
        return copy

    def copy(self, a: Any) -> Any:
        """A copy on the device."""
        copy = self.cuda.device_array_like(a)
        copy.copy_to_device(a)
        return copy


def launch_over(device: Any, count: int, make: Callable[..., Any], constants: tuple[Any, ...], *arguments: Any) -> None:
    """One thread for each of `count` numbers."""
    if count > 0:
        threads = device.limits.threads
        device.launch(device.kernel(make, *constants), -(-count // threads), threads, *arguments)


def zeros(device: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """An array of zeros."""
    return device.array(np.zeros(shape, dtype))
