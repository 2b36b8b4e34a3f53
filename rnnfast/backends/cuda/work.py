"""What one call does on a CUDA device: its stream, its arrays and its launches."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda.rows import copy_kernel
from rnnfast.problem import Array

if TYPE_CHECKING:
    from rnnfast.backends.cuda.device import Device
    from rnnfast.backends.cuda.libraries import Library


class Work:
    """On the caller's stream, in memory from the library that x comes from."""

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
