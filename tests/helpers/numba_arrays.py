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

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda.device import Device


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

    def clear(to: Any, value: int, size: int, stream: Any = 0) -> None:
        ctypes.memset(driver.device_pointer(to), value, size)

    functions: dict[str, Callable[..., None]] = {
        "host_to_device": upload,
        "device_to_host": download,
        "device_memset": clear,
    }
    with mock.patch.object(devices, "_runtime", Runtime()), mock.patch.multiple(driver, **functions):
        yield


class DeviceOfNumba(Device):
    """The device as it is, but for its kernels, which the emulator runs."""

    side, each = Emulator.side, Emulator.each

    def __init__(self) -> None:
        self.emulator = Emulator()
        self.cuda, self.number, self.name, self.plans = numba.cuda, 0, "Numba's arrays", {}
        self.limits = self.emulator.limits

    def kernel(self, make: Callable[..., Any], *constants: Any) -> Any:
        """Return the kernel as a Python function."""
        return self.emulator.kernel(make, *constants)

    def run(self, kernel: Any, blocks: Any, threads: int, stream: int, *arguments: Any) -> None:
        """Run a kernel on Numba's arrays, each of a type that needs no compiling but for strides that do."""
        taken = self.argument(arguments)
        _check_types(arguments, taken)
        self.emulator.run(kernel, blocks, threads, stream, *_seen(taken))

    def wait_for_all(self) -> None:
        """Do nothing: everything is done."""

    def current(self) -> AbstractContextManager[None]:
        """Return a context that changes nothing."""
        return nullcontext()


def _check_types(value: Any, taken: Any) -> None:
    """Raise AssertionError where Numba takes a dense array for one that is not: it would compile a kernel for it."""
    if isinstance(value, tuple):
        for pair in zip(value, taken, strict=True):
            _check_types(*pair)
    elif isinstance(value, DeviceArray):
        assert not value.is_dense or taken._numba_type_.layout == "C", (taken.shape, taken.strides)


def _seen(taken: Any) -> Any:
    if isinstance(taken, tuple):
        return tuple(map(_seen, taken))
    return DeviceArray.of(taken) if hasattr(taken, "__cuda_array_interface__") else taken
