"""Launches captured as one of CUDA's graphs, which the device starts as a whole: host time of a launch for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rnnfast.backends.cuda.driver.declarations import OF_THIS_THREAD, WAITS_FOR_NONE, ffi
from rnnfast.backends.cuda.driver.library import Driver


class Graph:
    """What `start(stream)` starts, to be started again as often as wanted; all memory that it uses must stay alive.

    `start` may neither take memory nor wait. The driver's context is the current one in every method.
    """

    def __init__(self, driver: Driver, start: Callable[[int], None]) -> None:
        """Raises what `start` does, and DriverError where the driver refuses; nothing is left behind then."""
        self.driver, library = driver, driver.library
        with _own_stream(driver) as stream, _captured(driver, stream, start) as graph:
            made = ffi.new("void **")
            driver.check("prepare a graph", library.cuGraphInstantiateWithFlags(made, graph, 0))
        self._graph, self._launch = made[0], library.cuGraphLaunch

    def launch(self, stream: int) -> None:
        """Start all of it on a stream, behind whatever it was started for before. Raises DriverError."""
        code = self._launch(self._graph, ffi.cast("void *", stream))
        if code:
            raise self.driver.error("start a graph", code)

    def destroy(self) -> None:
        """Give back what the driver holds, once the device is done with it."""
        self.driver.library.cuGraphExecDestroy(self._graph)


@contextmanager
def _own_stream(driver: Driver) -> Iterator[Any]:
    made = ffi.new("void **")
    driver.check("make a stream", driver.library.cuStreamCreate(made, WAITS_FOR_NONE))
    try:
        yield made[0]
    finally:
        driver.library.cuStreamDestroy_v2(made[0])


@contextmanager
def _captured(driver: Driver, stream: Any, start: Callable[[int], None]) -> Iterator[Any]:
    """Give the graph of what is started on a stream meanwhile."""
    library, graph = driver.library, ffi.new("void **")
    driver.check("begin a graph", library.cuStreamBeginCapture_v2(stream, OF_THIS_THREAD))
    try:
        start(int(ffi.cast("uintptr_t", stream)))
    finally:
        code = library.cuStreamEndCapture(stream, graph)
    try:
        driver.check("end a graph", code)
        yield graph[0]
    finally:
        if graph[0] != ffi.NULL:
            library.cuGraphDestroy(graph[0])
