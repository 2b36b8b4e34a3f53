"""A device whose driver does nothing: what calls cost on the host alone, with tensors in host memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import cffi
from cuda_threads import Cuda
from device_memory import DeviceMemory, in_place_of_the_device
from gemm_emulator import ProductOperations
from programs import run, tool
from ptx_memory import GlobalMemory

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda import access, libraries, parameters
from rnnfast.backends.cuda.device import Device, limits_of
from rnnfast.backends.cuda.driver.declarations import ffi
from rnnfast.backends.cuda.driver.launch import Kernel
from rnnfast.backends.cuda.driver.library import Driver
from rnnfast.backends.cuda.driver.linking import loaded
from rnnfast.backends.cuda.driver.scalars import fields_of


class NullDevice(DeviceMemory):
    """Stands in for `rnnfast.backends.cuda.device.Device`: launches go to a library of no-ops, which counts them."""

    side, each = 16, 4
    current = Device.current
    wait, wait_for_all = Device.wait, Device.wait_for_all

    def __init__(self, folder: Path) -> None:
        """Compile the library in this folder; skips the test where there is no C compiler."""
        super().__init__()
        path, source = folder / "null_driver.so", Path(__file__).with_name("null_driver.c")
        run(tool("cc"), "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", source, "-o", path)
        counting = cffi.FFI()
        counting.cdef("long null_launches(void); long null_clears(void); long null_graphs(void);")
        self.counts = counting.dlopen(str(path))
        self.driver, self.limits = Driver(ffi.dlopen(str(path))), limits_of((9, 0), 132)
        self.cuda, self.prepared = Cuda(), list[str]()
        self.operations = ProductOperations(GlobalMemory())

    def kernel(self, make: Callable[..., Any], *constants: Any, threads: int = 0, tensor_cores: bool = False) -> Kernel:
        """Return a kernel that is never run."""
        name = make.__name__
        self.prepared.append(name)
        fields = fields_of(make(self.operations if tensor_cores else self.cuda, *constants))
        return Kernel(self.driver, loaded(self.driver, b"", name), name, fields, threads or self.limits.threads)


class Counts:
    """How often a piece of code did what costs time: launches, memory made zero, new tensors, views by NumPy."""

    def __init__(self, device: NullDevice) -> None:
        self.device, self.arrays, self.views = device, 0, 0
        self._before = device.counts.null_launches(), device.counts.null_clears()
        self.launches = self.clears = 0

    def end(self) -> None:
        """Read the device's."""
        counts, (launches, clears) = self.device.counts, self._before
        self.launches, self.clears = counts.null_launches() - launches, counts.null_clears() - clears


@contextmanager
def counted(device: NullDevice) -> Iterator[Counts]:
    """Count what happens within."""
    counts = Counts(device)

    def new(self: libraries.Torch, *arguments: Any) -> Any:
        counts.arrays += 1
        return made(self, *arguments)

    def seen(cls: Any, *arguments: Any) -> Any:
        counts.views += 1
        return view(*arguments)

    made, view = libraries.Torch.new, DeviceArray._seen
    with mock.patch.object(libraries.Torch, "new", new), mock.patch.object(DeviceArray, "_seen", classmethod(seen)):
        yield counts
    counts.end()


@contextmanager
def tensors_on(device: DeviceMemory) -> Iterator[None]:
    """Within it torch's tensors in host memory count as tensors on the device, which torch sees arrays of."""
    import torch

    with (
        in_place_of_the_device(device),
        mock.patch.object(access, "on_device", lambda value: True),
        mock.patch.object(access, "known_library", lambda x: libraries.library_of(device, x)),
        mock.patch.object(parameters, "on_device", lambda value: False),
        mock.patch.object(libraries.Torch, "stream", lambda self: 7),
        mock.patch.object(torch, "as_tensor", lambda array, device: torch.from_numpy(array.frame)),
    ):
        yield
