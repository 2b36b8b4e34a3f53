"""A CUDA device: arrays on it, kernels made for it, launches, streams."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda.driver.compiling import Compiler
from rnnfast.backends.cuda.driver.current import Current
from rnnfast.backends.cuda.driver.kept import Kept, cache_folder
from rnnfast.backends.cuda.driver.launch import Kernel
from rnnfast.backends.cuda.driver.library import Driver
from rnnfast.backends.cuda.driver.linking import loaded
from rnnfast.backends.cuda.driver.scalars import fields_of
from rnnfast.backends.cuda.gemm.operations import operations
from rnnfast.backends.cuda.tiers import Limits
from rnnfast.problem import Array

THREADS = 256
"""Threads of every block but those of products."""


def limits_of(capability: tuple[int, int], blocks: int) -> Limits:
    """Return what is used of a device with so many multiprocessors.

    Before compute capability 9.0 the rest needs so many registers that 128 words of a thread do not stay in them, nor
    64 beside two vectors or what float64's functions need: for shuffles within loops there are calls of functions, in
    case that a warp's threads are apart.
    """
    if capability >= (9, 0):
        return Limits(THREADS, 32, (64, 128), 48 << 10, blocks, capability)
    return Limits(THREADS, 32, (64,), 48 << 10, blocks, capability, ahead=1, words_of_doubles=(32, 64))


class Device:
    """The current device of numba.cuda. The tests' emulator has the same methods. Streams are CUDA's handles.

    Arrays are views of ours (`DeviceArray`) of Numba's: of Numba's own methods none is used to view them, as those
    refuse shapes and strides that are right. Numba's arrays are made here alone.
    """

    side, each = 16, 4
    """Sizes of the tiles of products, see product.py."""

    def __init__(self) -> None:
        from numba import cuda

        self.cuda: Any = cuda
        current = cuda.get_current_device()
        blocks = current.MULTIPROCESSOR_COUNT  # a block of resident weights fills one
        major, minor = current.compute_capability
        name = current.name if isinstance(current.name, str) else current.name.decode()
        self.number, self.limits = int(current.id), limits_of((major, minor), blocks)
        self.plans: dict[tuple[int, int, int], Any] = {}
        """Plans that calls share, kept by plan.py, which replaces this."""
        self.name = f"{name}, compute capability {major}.{minor}, {blocks} multiprocessors"
        self.driver = Driver(ordinal=self.number)
        self.compiler = Compiler(self.driver, (major, minor), Kept(cache_folder()))

    @functools.cache  # noqa: B019 - there is one device, and it stays
    def kernel(
        self, make: Callable[..., Any], *constants: Any, threads: int = THREADS, tensor_cores: bool = False
    ) -> Kernel:
        """Return the kernel that make(cuda, *constants) describes, in blocks of `threads`: see driver/launch.py.

        With `tensor_cores` make takes, in place of cuda, the operations that Numba has no name for.
        """
        function, name = make(self.operations if tensor_cores else self.cuda, *constants), make.__name__
        handle = loaded(self.driver, self.compiler.cubin(function, name, threads), name)
        return Kernel(self.driver, handle, name, fields_of(function), threads)

    @functools.cached_property
    def operations(self) -> Any:
        """Return what kernels for tensor cores and clusters are made of."""
        return operations(self.cuda)

    @functools.cache  # noqa: B019
    def _stream(self, handle: int) -> Any:
        return self.cuda.external_stream(handle) if handle else 0

    @functools.cache  # noqa: B019
    def constant(self, values: tuple[Any, ...], dtype: Any) -> DeviceArray:
        """Return a short array that serves calls on any stream, and is kept for good: one of a cell's, of no call's."""
        found = self.upload(np.array(values, dtype), 0)
        self.wait(0)
        return found

    def new(self, shape: tuple[int, ...], dtype: Any, stream: int) -> DeviceArray:
        """Return a new array, of Numba's, with anything in it, whichever device is the thread's current one."""
        with self.current():
            return DeviceArray.of(self.cuda.device_array(shape, dtype, stream=self._stream(stream)))

    def upload(self, a: Array, stream: int) -> DeviceArray:
        """Return a C-contiguous copy on the device.

        NumPy calls arrays C-contiguous whatever strides axes of one element have. Numba goes by the strides, and takes
        one of 0 for a broadcast: so it is shown those that a new array of this shape would have.
        """
        dense: Array = np.ndarray(a.shape, a.dtype, np.ascontiguousarray(a))
        with self.current():
            return DeviceArray.of(self.cuda.to_device(dense, stream=self._stream(stream)))

    def download(self, a: DeviceArray, stream: int) -> Array:
        """Return a copy for NumPy of a C-contiguous array, once the stream has come so far."""
        copy: Array = np.empty(a.shape, a.dtype)
        if copy.size:
            self.driver.download(copy, a.address, stream)
        self.wait(stream)
        return copy

    def wait(self, stream: int) -> None:
        """Wait until all that was started on a stream is done."""
        self.driver.wait(stream)

    def wait_for_all(self) -> None:
        """Wait until all that was started on any stream is done."""
        self.driver.wait_for_all()

    def current(self) -> Current:
        """Return the context within which this is the current device of this thread."""
        return Current(self.driver)
