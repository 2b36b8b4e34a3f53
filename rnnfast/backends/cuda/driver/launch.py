"""Kernels on a device, and launches of them that are prepared once: what is left for a launch costs microseconds.

How a kernel comes about and runs. A factory, a function of `cuda` (numba.cuda, or the emulator that stands in for it)
and of constants that can be hashed, returns the kernel, a Python function whose parameters are scalars, annotated with
names of scalars.py:

    def scale_kernel(cuda, real):
        def kernel(a: address, count: int32, factor: float64):
            numbers = array_at(a, (count,), real)  # arrays.py
            i = cuda.grid(1)
            if i < count:
                numbers[i] *= real(factor)

        return kernel

    kernel = device.kernel(scale_kernel, np.float32, threads=256)      # compiled, or found on disk; made once
    launch = kernel.launch(grid=-(-n // 256))                           # prepared: keep it
    launch(stream, pointer, n, 0.5)                                     # all parameters in their order: the fastest
    launch.parameters.factor = 0.25                                     # or some by name, the others stay
    launch.start(stream)

`device` is rnnfast.backends.cuda.device.Device or the tests' Emulator. Parameters are copied while `start` runs, so
that they can be set anew at once; a launch belongs to one thread at a time.
"""

from __future__ import annotations

import struct
from typing import Any

import cffi  # type: ignore[import-untyped]

from rnnfast.backends.cuda.driver.declarations import (
    CLUSTERS_BEYOND_EIGHT,
    DYNAMIC_SHARED_BYTES,
    LAUNCH_CLUSTER,
    LAUNCH_COOPERATIVE,
    ffi,
)
from rnnfast.backends.cuda.driver.errors import DriverError
from rnnfast.backends.cuda.driver.library import Driver
from rnnfast.backends.cuda.driver.scalars import Field

Size = int | tuple[int, int] | tuple[int, int, int]
"""Of a grid: x, (x, y) or (x, y, z)."""
SHARED_WITHOUT_ASKING = 48 << 10
CLUSTER_WITHOUT_ASKING = 8
CONFIG_BYTES = ffi.sizeof("Config")


class Kernel:
    """A kernel of a device: its function's handle, its parameters, the threads of its blocks."""

    def __init__(self, driver: Driver, function: Any, name: str, fields: tuple[Field, ...], threads: int) -> None:
        self.driver, self.function, self.name, self.fields, self.threads = driver, function, name, fields, threads
        self.shared_set = 0
        """Bytes of dynamic shared memory that the function's launches may have beyond what needs no asking."""
        declared = ffi_with(fields)
        self.structure, self.size = declared.typeof("Parameters *"), declared.sizeof("Parameters")
        self.offsets = [declared.offsetof("Parameters", field.name) for field in fields]
        self.pack = struct.Struct("@" + "".join(field.code for field in fields)).pack_into

    def launch(self, grid: Size, *, shared: int = 0, cluster: int = 0, cooperative: bool = False) -> Launch:
        """Prepare launches of so many blocks.

        `shared`: bytes of dynamic shared memory. `cluster`: blocks of a cluster, along x, above 8 where the device has
        such; 0: the kernel does nothing that takes a cluster, which without one, be it of one block, is an illegal
        instruction. `cooperative`: all blocks run at once, so that they can wait for one another. Raises DriverError
        where the device has not so much.
        """
        driver = self.driver
        if shared > max(SHARED_WITHOUT_ASKING, self.shared_set):
            driver.set_attribute(self.function, DYNAMIC_SHARED_BYTES, shared, self.name)
            self.shared_set = shared
        if cluster > CLUSTER_WITHOUT_ASKING:
            driver.set_attribute(self.function, CLUSTERS_BEYOND_EIGHT, 1, self.name)
        return Launch(self, grid, shared, cluster, cooperative)


class Launch:
    """A launch prepared: set its `parameters` by name, then start it. Parameters are zeros at first.

    `memory`: where parameters lie, as long as the launch is used; `config`: where its description does, CONFIG_BYTES of
    which the first three int32 numbers are those of blocks. None: in memory of its own.
    """

    def __init__(
        self, kernel: Kernel, grid: Size, shared: int, cluster: int, cooperative: bool, memory: Any = None,
        config: Any = None,
    ) -> None:  # fmt: skip
        self.kernel, self._made_with = kernel, (shared, cluster, cooperative)
        self.parameters = ffi.new(kernel.structure) if memory is None else ffi.cast(kernel.structure, memory)
        self._pack, self._buffer = kernel.pack, ffi.buffer(self.parameters, kernel.size)
        base = int(ffi.cast("uintptr_t", self.parameters))
        self._pointers = ffi.new("void *[]", [ffi.cast("void *", base + offset) for offset in kernel.offsets])
        chosen: list[tuple[int, str, Any]] = [(LAUNCH_COOPERATIVE, "cooperative", 1)] * cooperative
        chosen += [(LAUNCH_CLUSTER, "cluster", (cluster, 1, 1))] * (cluster > 0)
        self._attributes = ffi.new("Attribute[]", max(1, len(chosen)))
        for attribute, (number, name, value) in zip(self._attributes, chosen, strict=False):
            attribute.id = number
            setattr(attribute.value, name, value)
        x, y, z = (*((grid,) if isinstance(grid, int) else grid), 1, 1)[:3]
        self._config = ffi.new("Config *") if config is None else ffi.cast("Config *", config)
        self._config[0] = (x, y, z, kernel.threads, 1, 1, shared, ffi.NULL, self._attributes, len(chosen))
        self._stream, self._function, self._start = 0, kernel.function, kernel.driver.library.cuLaunchKernelEx

    def resize(self, x: int, y: int = 1) -> None:
        """Change the number of blocks."""
        self._config.grid_x, self._config.grid_y = x, y

    @property
    def grid(self) -> tuple[int, int]:
        """The number of blocks along x and y."""
        return self._config.grid_x, self._config.grid_y

    def twin(self, grid: Size, memory: Any, config: Any = None) -> Launch:
        """Return another launch of the same kernel, of so many blocks, which lies in this memory."""
        return Launch(self.kernel, grid, *self._made_with, memory=memory, config=config)

    def set(self, *values: Any) -> None:
        """Set all parameters, in their order. Raises struct.error where one does not fit."""
        self._pack(self._buffer, 0, *values)

    def clusters_at_once(self) -> int:
        """Return how many of its clusters the device runs at once."""
        return self.kernel.driver.clusters_at_once(self._function, self._config)

    def __call__(self, stream: int, *values: Any) -> None:
        """Set all parameters, in their order, and start it on a stream. Raises struct.error where one does not fit."""
        self._pack(self._buffer, 0, *values)
        self.start(stream)

    def start(self, stream: int = 0) -> None:
        """Start it on a stream. Raises DriverError where the driver refuses."""
        if stream != self._stream:
            self._config.stream = ffi.cast("void *", stream)
            self._stream = stream
        code = self._start(self._config, self._function, self._pointers, ffi.NULL)
        if code:
            raise self.error(code)

    @property
    def addresses(self) -> list[int]:
        """Where its description, its function and its parameters' addresses are, as cuLaunchKernelEx takes them."""
        return [int(ffi.cast("uintptr_t", each)) for each in (self._config, self._function, self._pointers)]

    def error(self, code: int) -> DriverError:
        """Return the exception for an error with which the driver refused it."""
        c = self._config
        grid, block = (c.grid_x, c.grid_y, c.grid_z), (c.block_x, c.block_y, c.block_z)
        described = f" (grid {grid}, block {block}, {c.shared} bytes of dynamic shared memory)"
        return self.kernel.driver.error(f"start {self.kernel.name}", code, described)


def ffi_with(fields: tuple[Field, ...]) -> Any:
    """Return a declaration of the structure of these parameters, each of which the driver reads by its address."""
    declared = cffi.FFI()
    members = " ".join(f"{field.declaration} {field.name};" for field in fields)
    declared.cdef(f"typedef struct {{ {members or 'int nothing;'} }} Parameters;")
    return declared
