"""A CUDA device as the host side uses it: arrays on it, kernels made for it, launches."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnfast.cuda_kernels.rows import copy_kernel
from rnnfast.cuda_kernels.tiers import Limits
from rnnfast.device.array import DeviceArray
from rnnfast.problem import Array

if TYPE_CHECKING:
    from rnnfast.cuda_kernels.plan import Plan
    from rnnfast.device.libraries import Library

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


class Work:
    """What one call does on a device: on the caller's stream, in memory from the library that x comes from."""

    def __init__(self, device: Device, library: Library | None) -> None:
        self.device, self.library, self.limits = device, library, device.limits
        self.stream = 0 if library is None else library.stream()

    def again(self) -> Work:
        """The same on the caller's stream of now, once what was started on this one is done if that is another."""
        work = Work(self.device, self.library)
        if work.stream != self.stream:
            self.wait()
        return work

    def wait(self) -> None:
        """Until all that was started is done."""
        self.device.wait(self.stream)

    def kernel(self, make: Callable[..., Any], *constants: Any) -> Any:
        """As the device's."""
        return self.device.kernel(make, *constants)

    def launch(self, kernel: Any, blocks: Any, threads: int, *arguments: Any) -> None:
        """Start it on so many blocks, a number or (x, y)."""
        self.device.run(kernel, blocks, threads, self.stream, *arguments)

    def launch_over(self, count: int, make: Callable[..., Any], constants: tuple[Any, ...], *arguments: Any) -> None:
        """One thread for each of `count` numbers."""
        if count > 0:
            threads = self.limits.threads
            self.launch(self.kernel(make, *constants), -(-count // threads), threads, *arguments)

    def array(self, a: Array | DeviceArray) -> Any:
        """A copy of NumPy's on the device, or a view of what is there."""
        return self.device.view(a) if isinstance(a, DeviceArray) else self.device.upload(a, self.stream)

    def constant(self, values: tuple[Any, ...], dtype: Any = "int64") -> Any:
        """A short array of these."""
        return self.device.constant(values, dtype)

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """An array with anything in it."""
        if self.library is None:
            return self.device.view(self.device.new(shape, dtype, self.stream))
        return self.device.view(self.library.empty(shape, np.dtype(dtype)))

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """An array of zeros."""
        a = self.empty(shape, dtype)
        self.device.clear(a, self.stream)
        return a

    def dense(self, a: DeviceArray | Array) -> Any:
        """A C-contiguous copy on the device, or a view of what is that there."""
        if isinstance(a, DeviceArray) and not a.frame.flags.c_contiguous:
            return self.copy(a)
        return self.array(a)

    def host(self, a: Any) -> Array:
        """A copy for NumPy of a C-contiguous array."""
        return self.device.download(a, self.stream)

    def copy(self, a: Any) -> Any:
        """A C-contiguous copy on the device of what is there."""
        to, source = self.empty(a.shape, a.dtype), cube(a)
        seen = self.device.view(source) if isinstance(source, DeviceArray) else source
        self.launch_over(to.size, copy_kernel, (False,), seen, cube(to))
        return to

    def put(self, a: Any, to: Array | DeviceArray, *, add: bool) -> None:
        """Write an array of the device's, or add it, to where a result is wanted."""
        if isinstance(to, DeviceArray):
            self.launch_over(a.size, copy_kernel, (add,), cube(a), self.device.view(cube(to)))
        else:
            to[...] = to + self.host(a) if add else self.host(a)


def cube(a: Any) -> Any:
    """An array with axes of one element in front so that it has three; a device's is contiguous."""
    if isinstance(a, DeviceArray):
        return a[(None,) * (3 - a.ndim)]
    return a if a.ndim == 3 else a.reshape((1,) * (3 - a.ndim) + a.shape)
