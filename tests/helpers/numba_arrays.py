"""Numba's own device arrays without a device: what they refuse is what it is on one, as their memory is the host's."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numba.cuda
import numpy as np
from cuda_emulator import Emulator
from numba.cuda.cudadrv import devices, driver

from rnnfast.backends.cuda.device import Device
from rnnfast.backends.cuda.driver.launch import Kernel


class Context:
    """What Numba asks of the current device."""

    def memalloc(self, size: int) -> Any:
        """Return memory that holds NaN."""
        memory = np.full(size, 0xFF, np.uint8)
        return driver.MemoryPointer(self, driver.binding.CUdeviceptr(memory.ctypes.data), size, owner=memory)

    def get_default_stream(self) -> Any:
        """Return a stream on which all is done."""
        return SimpleNamespace(synchronize=lambda: None)


class Runtime:
    """What finds the current device."""

    context = Context()

    def get_or_create_context(self, number: int | None = None) -> Context:
        """Return the only one."""
        return self.context

    def ensure_context(self) -> AbstractContextManager[None]:
        """Return a context that changes nothing."""
        return nullcontext()


@contextmanager
def numba_in_host_memory() -> Iterator[None]:
    """Within it Numba's arrays are made in host memory."""

    def upload(to: Any, source: Any, size: int, stream: Any = 0) -> None:
        ctypes.memmove(driver.device_pointer(to), driver.host_pointer(source, readonly=True), size)

    def download(to: Any, source: Any, size: int, stream: Any = 0) -> None:
        ctypes.memmove(driver.host_pointer(to), driver.device_pointer(source), size)

    moves = {"host_to_device": upload, "device_to_host": download}
    with mock.patch.object(devices, "_runtime", Runtime()), mock.patch.multiple(driver, **moves):
        yield


class DeviceOfNumba(Device):
    """The device as it is, with its driver's library in host memory, but for its kernels, which the emulator runs."""

    side, each = Emulator.side, Emulator.each

    def __init__(self) -> None:
        self.emulator = Emulator()
        self.cuda, self.number, self.name, self.plans = numba.cuda, 0, "Numba's arrays", {}
        self.limits, self.driver = self.emulator.limits, self.emulator.driver

    def kernel(self, make: Callable[..., Any], *constants: Any, threads: int = 0, **options: Any) -> Kernel:
        """Return the kernel, which the emulator runs."""
        return self.emulator.kernel(make, *constants, threads=threads, **options)
