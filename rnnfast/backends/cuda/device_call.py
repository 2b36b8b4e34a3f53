"""One call on a CUDA device: its stream, its arrays and its launches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda.device import Device
from rnnfast.backends.cuda.libraries import Library
from rnnfast.problem import Array


class DeviceCall:
    """One call's way to the device: on the caller's stream, in memory from the library that its arrays come from."""

    def __init__(self, device: Device, library: Library | None) -> None:
        """`library` None: of NumPy's arrays, on the default stream."""
        self.device, self.library, self.limits = device, library, device.limits
        self.stream = 0 if library is None else library.stream()

    def again(self) -> DeviceCall:
        """Return the same on the caller's stream of now, once what was started on this one, if another, is done."""
        call = DeviceCall(self.device, self.library)
        if call.stream != self.stream:
            self.wait()
        return call

    def wait(self) -> None:
        """Wait until all that was started is done."""
        self.device.wait(self.stream)

    def launch(self, kernel: Any, blocks: Any, threads: int, *arguments: Any) -> None:
        """Start a kernel of the device on so many blocks, a number or (x, y)."""
        self.device.run(kernel, blocks, threads, self.stream, *arguments)

    def launch_over(self, count: int, make: Callable[..., Any], constants: tuple[Any, ...], *arguments: Any) -> None:
        """Start the kernel that `make` describes with one thread for each of `count` numbers."""
        if count > 0:
            threads = self.limits.threads
            self.launch(self.device.kernel(make, *constants), -(-count // threads), threads, *arguments)

    def array(self, a: Array | DeviceArray) -> DeviceArray:
        """Return a C-contiguous copy of NumPy's on the device, or what is there as it is."""
        return a if isinstance(a, DeviceArray) else self.device.upload(a, self.stream)

    def constant(self, values: tuple[Any, ...], dtype: Any = "int64") -> DeviceArray:
        """Return a short array of these values."""
        return self.device.constant(values, dtype)

    def empty(self, shape: tuple[int, ...], dtype: Any) -> DeviceArray:
        """Return a new array with anything in it."""
        if self.library is None:
            return self.device.new(shape, dtype, self.stream)
        return self.library.new(shape, np.dtype(dtype))

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> DeviceArray:
        """Return a new array of zeros."""
        a = self.empty(shape, dtype)
        self.device.clear(a, self.stream)
        return a

    def host(self, a: DeviceArray) -> Array:
        """Return a copy for NumPy of a C-contiguous array, once the stream has come so far."""
        return self.device.download(a, self.stream)
