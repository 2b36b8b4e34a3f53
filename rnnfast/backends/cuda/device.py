"""A CUDA device: arrays on it, kernels made for it, launches, streams."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda.tiers import Limits
from rnnfast.problem import Array

THREADS = 256
"""Threads of every block but those of products."""


def limits_of(capability: tuple[int, int], blocks: int) -> Limits:
    """Return what is used of a device with so many multiprocessors.

    Before compute capability 9.0 the rest needs so many registers that 128 words of a thread do not stay in them.
    """
    return Limits(THREADS, 32, (64, 128) if capability >= (9, 0) else (64,), 48 << 10, blocks)


class Device:
    """The current device of numba.cuda. The tests' emulator has the same methods. Streams are CUDA's handles.

    Arrays are views of ours (`DeviceArray`) of Numba's: of Numba's own methods none is used to view them, as those
    refuse shapes and strides that are right. Numba's arrays are made here alone, for kernels and for the caller.
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
        """Plans that calls share, kept by plan.py."""
        self.name = f"{name}, compute capability {major}.{minor}, {blocks} multiprocessors"

    @functools.cache  # noqa: B019 - there is one device, and it stays
    def kernel(self, make: Callable[..., Any], *constants: Any) -> Any:
        """Return the kernel that make(cuda, *constants) describes."""
        return self.cuda.jit(make(self.cuda, *constants))

    @functools.cache  # noqa: B019
    def _stream(self, handle: int) -> Any:
        return self.cuda.external_stream(handle) if handle else 0

    @functools.cache  # noqa: B019
    def constant(self, values: tuple[Any, ...], dtype: Any) -> DeviceArray:
        """Return a short array that serves calls on any stream."""
        found = self.upload(np.array(values, dtype), 0)
        self.wait(0)
        return found

    @functools.cache  # noqa: B019
    def nothing(self, columns: int, dtype: Any) -> DeviceArray:
        """Return the array (0, columns), for kernels' arguments that a cell or call has not."""
        return self.upload(np.empty((0, columns), dtype), 0)

    def run(self, kernel: Any, blocks: Any, threads: int, stream: int, *arguments: Any) -> None:
        """Start a kernel on so many blocks, a number or (x, y). Arguments: numbers, arrays, and tuples of these."""
        self._configured(kernel, blocks, threads, stream)(*map(self.argument, arguments))

    @functools.lru_cache(maxsize=1024)  # noqa: B019
    def _configured(self, kernel: Any, blocks: Any, threads: int, stream: int) -> Any:
        """Numba warns of few blocks, which small nets have; once for each is enough to look away from."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return kernel[blocks, threads, self._stream(stream)]

    def argument(self, value: Any) -> Any:
        """Return an argument as Numba takes it, without waiting for a stream; that of an array is made once."""
        if type(value) is tuple:
            return tuple([self.argument(each) for each in value])
        if type(value) is not DeviceArray:
            return value
        if value.argument is None:  # it keeps the owner, not the view: that would be a circle
            described = value.__cuda_array_interface__
            value.argument = self.cuda.from_cuda_array_interface(described, owner=value.owner, sync=False)
        return value.argument

    def new(self, shape: tuple[int, ...], dtype: Any, stream: int) -> DeviceArray:
        """Return a new array, of Numba's, with anything in it."""
        made = self.cuda.device_array(shape, dtype, stream=self._stream(stream))
        return DeviceArray.of(made, made)

    def upload(self, a: Array, stream: int) -> DeviceArray:
        """Return a C-contiguous copy on the device.

        NumPy calls arrays C-contiguous whatever strides axes of one element have. Numba goes by the strides, and takes
        one of 0 for a broadcast: so it is shown those that a new array of this shape would have.
        """
        dense: Array = np.ndarray(a.shape, a.dtype, np.ascontiguousarray(a))
        made = self.cuda.to_device(dense, stream=self._stream(stream))
        return DeviceArray.of(made, made)

    def download(self, a: DeviceArray, stream: int) -> Array:
        """Return a copy for NumPy of a C-contiguous array, once the stream has come so far."""
        copy: Array = self.argument(a).copy_to_host(stream=self._stream(stream))
        self.wait(stream)
        return copy

    def clear(self, a: DeviceArray, stream: int) -> None:
        """Make all bytes of a C-contiguous array zero."""
        from numba.cuda.cudadrv.driver import device_memset

        if a.size:
            device_memset(self.argument(a), 0, a.frame.nbytes, stream=self._stream(stream))

    def wait(self, stream: int) -> None:
        """Wait until all that was started on a stream is done."""
        (self._stream(stream) or self.cuda.default_stream()).synchronize()

    def wait_for_all(self) -> None:
        """Wait until all that was started on any stream is done."""
        self.cuda.synchronize()

    def current(self) -> AbstractContextManager[Any]:
        """Return the context within which this is the current device of this thread."""
        context: AbstractContextManager[Any] = self.cuda.gpus[self.number]
        return context
