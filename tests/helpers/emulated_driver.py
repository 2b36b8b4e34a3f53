"""A driver library in host memory: what the driver's functions do, kernels as Python functions that are run at once."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from rnnfast.backends.cuda.driver.declarations import LAUNCH_CLUSTER, LAUNCH_COOPERATIVE, ffi
from rnnfast.backends.cuda.driver.scalars import Field

INVALID_VALUE = 1
"""What a driver answers that is asked for what cannot be."""
Run = Callable[..., None]
"""(name, kernel, blocks, threads, stream, *values): runs a kernel to its end."""


class EmulatedLibrary:
    """Functions of `rnnfast.backends.cuda.driver.declarations`; those that are not here do nothing and report success.

    `calls` has the name of each that was called, in turn.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.calls = run, list[str]()
        self.launcher = ffi.callback("int(const Config *, void *, void **, void **)", self.cuLaunchKernelEx, 999)
        """What compiled code calls; an exception is printed, and 999 the error."""
        self.cluster, self.shared = 0, 0
        """Of the launch that runs: blocks of a cluster, 0 without one, bytes of dynamic shared memory."""
        self.largest_cluster, self.clusters_at_once = 16, 1
        self.words, self._kept = list[tuple[int, int]](), list[Any]()
        """Memory of the host that kernels reach, by address and bytes."""
        self.kernels: list[tuple[str, Any, tuple[Field, ...]]] = []

    def loaded(self, name: str, kernel: Any, fields: tuple[Field, ...]) -> Any:
        """Return the handle of a kernel."""
        self.kernels.append((name, kernel, fields))
        return ffi.cast("void *", len(self.kernels))

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("cu"):
            return super().__getattribute__(name)
        self.calls.append(name)
        try:
            return super().__getattribute__(name)
        except AttributeError:
            return lambda *_: 0

    def cuLaunchKernelEx(self, config: Any, function: Any, pointers: Any, extra: Any) -> int:
        """Read the parameters as a device would, and run the kernel. No device runs one on no blocks."""
        if not (config.grid_x and config.grid_y and config.grid_z):
            return INVALID_VALUE
        name, kernel, fields = self.kernels[int(ffi.cast("uintptr_t", function)) - 1]
        values = [ffi.cast(f"{field.declaration} *", pointers[n])[0] for n, field in enumerate(fields)]
        ids = [config.attributes[n].id for n in range(config.count)]
        assert set(ids) <= {LAUNCH_COOPERATIVE, LAUNCH_CLUSTER} and config.block_y == config.block_z == 1
        stream = int(ffi.cast("uintptr_t", config.stream))
        clusters = [config.attributes[n].value.cluster.x for n in range(config.count) if ids[n] == LAUNCH_CLUSTER]
        self.cluster, self.shared = (*clusters, 0)[0], config.shared
        self.run(name, kernel, (config.grid_x, config.grid_y), config.block_x, stream, *values)
        return 0

    def cuMemsetD8Async(self, to: int, value: int, count: int, stream: Any) -> int:
        ctypes.memset(to, value, count)
        return 0

    def cuOccupancyMaxActiveClusters(self, count: Any, function: Any, config: Any) -> int:
        count[0] = self.clusters_at_once * (config.attributes[0].value.cluster.x <= self.largest_cluster)
        return 0

    def cuMemHostAlloc(self, found: Any, size: int, flags: int) -> int:
        self._kept.append(ffi.new("char[]", size))
        found[0] = self._kept[-1]
        self.words.append((int(ffi.cast("uintptr_t", found[0])), size))
        return 0

    def cuMemHostGetDevicePointer_v2(self, found: Any, host: Any, flags: int) -> int:
        found[0] = int(ffi.cast("uintptr_t", host))
        return 0

    def cuMemcpyHtoDAsync_v2(self, to: int, source: Any, count: int, stream: Any) -> int:
        ctypes.memmove(to, int(ffi.cast("uintptr_t", source)), count)
        return 0

    def cuMemcpyDtoDAsync_v2(self, to: int, source: int, count: int, stream: Any) -> int:
        ctypes.memmove(to, source, count)
        return 0

    def cuMemcpyDtoHAsync_v2(self, to: Any, source: int, count: int, stream: Any) -> int:
        ctypes.memmove(int(ffi.cast("uintptr_t", to)), source, count)
        return 0

    def cuStreamSynchronize(self, stream: Any) -> int:
        return 0
