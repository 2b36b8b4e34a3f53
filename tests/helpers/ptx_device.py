"""An emulated device with clusters and tensor cores: kernels of either kind run as Python, whole calls with them."""

from __future__ import annotations

import ctypes
from bisect import bisect_right
from collections.abc import Callable
from typing import Any

import numpy as np
from cuda_emulator import Emulator
from device_memory import EmulatedArray
from emulated_driver import EmulatedLibrary
from gemm_emulator import ProductEmulator, ProductOperations
from ptx_memory import GlobalMemory

from rnnfast.backends.cuda.cluster.backward import backward_kernel
from rnnfast.backends.cuda.cluster.forward import forward_kernel
from rnnfast.backends.cuda.driver.launch import Kernel
from rnnfast.backends.cuda.driver.scalars import Field, fields_of
from rnnfast.backends.cuda.tiers import Limits
from rnnfast.problem import Array

LEAST = 1 << 16
"""No memory lies below this."""


class DeviceGlobalMemory(GlobalMemory):
    """Arrays of an emulated device, wherever they are: `see` finds those that there are before a launch.

    A kernel may write them all, but not what it loads as constant.
    """

    trusting = False
    """Whether there are other arrays, which are not known here: torch's."""

    def see(self, more: list[tuple[int, int]]) -> None:
        """Find all arrays, and `more` memory, by address and bytes."""
        arrays = [np.lib.array_utils.byte_bounds(array.memory) for array in EmulatedArray.alive if array.memory.size]
        self.bounds = sorted({*arrays, *((start, start + size) for start, size in more)})
        self.starts = [start for start, _ in self.bounds]
        self.written, self.constant = set[int](), set[int]()

    def at(self, address: Any, size: int, *, write: bool = False, constant: bool = False) -> Array:
        """The bytes there. Raises IndexError for an access that a device would refuse, or should."""
        if not isinstance(address, np.uint64):
            raise TypeError(f"an address in global memory is a {type(address).__name__}, expected uint64")
        begin = int(address)
        for _, end in reversed(self.bounds[: bisect_right(self.starts, begin)]):
            if begin + size <= end:
                break
        else:
            if not self.trusting or begin < LEAST:
                raise IndexError(f"{size} bytes at {begin:#x} are in no array")
        if begin % size:
            raise IndexError(f"{size} bytes at {begin:#x}, which is no multiple of that")
        kind = self.written if write else self.constant if constant else None
        other = self.constant if write else self.written
        if kind is not None:
            kind.add(begin)
            if begin in other:
                raise IndexError(f"{begin:#x} is written, and loaded as constant, by one launch")
        return np.frombuffer((ctypes.c_uint8 * size).from_address(begin), np.uint8)


class PtxDevice(Emulator):
    """Stands in for a device of compute capability 9.0."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = Limits(32, self.limits.lanes, (24, 48), 2048, 6, capability=(9, 0))
        self.ptx, self.global_memory = ProductEmulator(), DeviceGlobalMemory()
        self.ptx.operations = ProductOperations(self.global_memory)
        self.patience: int | None = None
        """Looks at a barrier before a time loop gives up; None: as many as on a device."""
        self.fields: dict[Any, tuple[Field, ...]] = {}
        """Of kernels with tensor cores."""

    def kernel(self, make: Callable[..., Any], *constants: Any, threads: int = 0, tensor_cores: bool = False) -> Kernel:
        """The kernel, which an emulator runs as a Python function."""
        if not tensor_cores:
            return super().kernel(make, *constants, threads=threads)
        options = (
            {}
            if self.patience is None or make not in (forward_kernel, backward_kernel)
            else {"patience": self.patience}
        )
        function, name = (
            make(self.ptx.operations, *constants, **options),
            f"{make.__module__.rpartition('.')[2]} {make.__name__}",
        )
        fields = self.fields[function] = fields_of(function)
        return Kernel(self.driver, self.library.loaded(name, function, fields), name, fields, threads)

    def run(self, kernel: Any, blocks: Any, threads: int, stream: int, *arguments: Any) -> None:
        """Run it to its end."""
        fields = self.fields.get(kernel)
        if fields is None:
            super().run(kernel, blocks, threads, stream, *arguments)
            return
        library: EmulatedLibrary = self.library
        self.global_memory.see(library.words)
        typed = [getattr(np, field.numba)(value) for field, value in zip(fields, arguments, strict=True)]
        self.ptx.launch(kernel, blocks, threads, *typed, cluster=library.cluster, shared=library.shared)
