"""A driver library in host memory: what the driver's functions do, kernels as Python functions that are run at once."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from rnnfast.backends.cuda.driver.declarations import LAUNCH_CLUSTER, LAUNCH_COOPERATIVE, ffi
from rnnfast.backends.cuda.driver.library import OF_SCRIPTS
from rnnfast.backends.cuda.driver.scalars import Field

INVALID_VALUE, CAPTURING = 1, 99
"""What a driver answers that is asked for what cannot be; the stream on which graphs are captured."""
MORE = "unsigned char, size_t", "const void *, size_t"
"""What other functions of a script take between an address and a stream."""
Run = Callable[..., None]
"""(name, kernel, blocks, threads, stream, *values): runs a kernel to its end."""


class EmulatedLibrary:
    """Functions of `rnnfast.backends.cuda.driver.declarations`; those that are not here do nothing and report success.

    `calls` has the name of each that was called, in turn.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.calls = run, list[str]()
        kinds = "const Config *, void *, void **, void **", *(f"uint64_t, {more}, void *" for more in MORE)
        called = (lambda *values, name=name: getattr(self, name)(*values) for name in OF_SCRIPTS)
        self.functions = [ffi.callback(f"int({kind})", call, 999) for kind, call in zip(kinds, called, strict=True)]
        """What compiled code calls; an exception is printed, and 999 the error."""
        self.cluster, self.shared = 0, 0
        """Of the launch that runs: blocks of a cluster, 0 without one, bytes of dynamic shared memory."""
        self.largest_cluster, self.clusters_at_once = 16, 1
        self.words, self._kept = list[tuple[int, int]](), list[Any]()
        """Memory of the host that kernels reach, by address and bytes."""
        self.kernels: list[tuple[str, Any, tuple[Field, ...]]] = []
        self.captured: list[Callable[[int], Any]] | None = None
        """What is to be done on a stream, of the graph that is being captured; None: none is."""
        self.graphs = dict[int, list[Callable[[int], Any]]]()

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
        cluster, shared, grid, threads = (
            (*clusters, 0)[0],
            config.shared,
            (config.grid_x, config.grid_y),
            config.block_x,
        )

        def run(stream: int) -> None:
            self.cluster, self.shared = cluster, shared
            self.run(name, kernel, grid, threads, stream, *values)

        return self._do(stream, run)

    def _do(self, stream: int, what: Callable[[int], Any]) -> int:
        """Do it at once, or note it for the graph that is being captured on this stream."""
        if self.captured is None:
            what(stream)
        else:
            assert stream == CAPTURING, "another stream than the one that is captured"
            self.captured.append(what)
        return 0

    def cuStreamCreate(self, found: Any, flags: int) -> int:
        found[0] = ffi.cast("void *", CAPTURING)
        return 0

    def cuStreamBeginCapture_v2(self, stream: Any, mode: int) -> int:
        self.captured = []
        return 0

    def cuStreamEndCapture(self, stream: Any, found: Any) -> int:
        assert self.captured is not None
        number = 1 + len(self.graphs)
        self.graphs[number], self.captured = self.captured, None
        found[0] = ffi.cast("void *", number)
        return 0

    def cuGraphInstantiateWithFlags(self, found: Any, graph: Any, flags: int) -> int:
        found[0] = graph
        return 0

    def cuGraphLaunch(self, graph: Any, stream: Any) -> int:
        for what in self.graphs[int(ffi.cast("uintptr_t", graph))]:
            what(int(ffi.cast("uintptr_t", stream)))
        return 0

    def cuMemsetD8Async(self, to: int, value: int, count: int, stream: Any) -> int:
        return self._do(int(ffi.cast("uintptr_t", stream)), lambda _: ctypes.memset(to, value, count))

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
