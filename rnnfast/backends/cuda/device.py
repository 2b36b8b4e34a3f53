"""A CUDA device: arrays on it, kernels made for it, launches, streams."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda.tiers import Limits
from rnnfast.backends.cuda.work import Work
from rnnfast.problem import Array

if TYPE_CHECKING:
    from rnnfast.backends.cuda.libraries import Library
    from rnnfast.backends.cuda.plan import Plan

THREADS = 256
"""Of every block but those of products."""


def limits_of(capability: tuple[int, int], blocks: int) -> Limits:
    """What is used of a device. Before 9.0 the rest needs so many registers that 128 words of a thread do not stay."""
    return Limits(THREADS, 32, (64, 128) if capability >= (9, 0) else (64,), 48 << 10, blocks)


class Device:
    """The current device of numba.cuda. The tests' emulator has the same methods. Streams are CUDA's handles."""

    side, each = 16, 4
    """Of the tiles of products, see product.py."""

    def __init__(self) -> None:
        from numba import cuda

        self.cuda: Any = cuda
        current = cuda.get_current_device()
        blocks = current.MULTIPROCESSOR_COUNT  # a block of resident weights fills one
        major, minor = current.compute_capability
        name = current.name if isinstance(current.name, str) else current.name.decode()
        self.number, self.limits = int(current.id), limits_of((major, minor), blocks)
        self.plans: dict[tuple[int, int, int], Plan] = {}
        self.name = f"{name}, compute capability {major}.{minor}, {blocks} multiprocessors"

    @functools.cache  # noqa: B019 - there is one device, and it stays
    def kernel(self, make: Callable[..., Any], *constants: Any) -> Any:
        """The kernel that make(cuda, *constants) describes."""
        return self.cuda.jit(make(self.cuda, *constants))

    @functools.cache  # noqa: B019
    def _stream(self, handle: int) -> Any:
        return self.cuda.external_stream(handle) if handle else 0

    @functools.cache  # noqa: B019
    def constant(self, values: tuple[Any, ...], dtype: Any) -> Any:
        """A short array that serves calls on any stream."""
        found = self.upload(np.array(values, dtype), 0)
        self.wait(0)
        return found

    def on(self, library: Library | None) -> Work:
        """What one call does here for arrays of a library, or of NumPy."""
        return Work(self, library)

    def run(self, kernel: Any, blocks: Any, threads: int, stream: int, *arguments: Any) -> None:
        """Start it on so many blocks, a number or (x, y)."""
        self._configured(kernel, blocks, threads, stream)(*arguments)

    @functools.lru_cache(maxsize=1024)  # noqa: B019
    def _configured(self, kernel: Any, blocks: Any, threads: int, stream: int) -> Any:
        """Numba warns of few blocks, which small nets have; once for each is enough to look away from."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return kernel[blocks, threads, self._stream(stream)]

    def new(self, shape: tuple[int, ...], dtype: Any, stream: int) -> Any:
        """An array of Numba's with anything in it."""
        return self.cuda.device_array(shape, dtype, stream=self._stream(stream))

    def view(self, a: Any) -> Any:
        """An array with `__cuda_array_interface__` as kernels take it, and libraries without waiting for a stream."""
        if hasattr(a, "__cuda_ndarray__"):
            return a
        return self.cuda.as_cuda_array(a if isinstance(a, DeviceArray) else DeviceArray.of(a), sync=False)

    def upload(self, a: Array, stream: int) -> Any:
        """A C-contiguous copy as kernels take it."""
        return self.cuda.to_device(np.ascontiguousarray(a), stream=self._stream(stream))

    def download(self, a: Any, stream: int) -> Array:
        """A copy for NumPy of what kernels take, C-contiguous, once the stream has come so far."""
        copy: Array = a.copy_to_host(stream=self._stream(stream))
        self.wait(stream)
        return copy

    def clear(self, a: Any, stream: int) -> None:
        """Make all its bytes zero."""
        from numba.cuda.cudadrv.driver import device_memset

        if a.size:
            device_memset(a, 0, a.nbytes, stream=self._stream(stream))

    def wait(self, stream: int) -> None:
        """Until all that was started on it is done."""
        (self._stream(stream) or self.cuda.default_stream()).synchronize()

    def wait_for_all(self) -> None:
        """Until all that was started on any stream is done."""
        self.cuda.synchronize()

    def current(self) -> AbstractContextManager[Any]:
        """Within it this is the current device of this thread."""
        context: AbstractContextManager[Any] = self.cuda.gpus[self.number]
        return context
