"""Runs CUDA kernels without a device: every thread of every block is alive, as a greenlet, until all have ended.

Threads give way to one another where they wait, which is the only place where what one does can matter to another: at
barriers, in shuffles and atomics. Each runs as far as it can, so that a thread which should have waited goes ahead of
the others; with an `order`, a number, some warps are slow, others by another. Memory that nobody has written holds
NaN. What is not modelled: the order in which writes become visible, and speed.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from cuda_threads import WARP, Block, Cuda, Gate, Thread, warp_of
from device_memory import DeviceMemory
from emulated_driver import EmulatedLibrary

from rnnfast.backends.cuda.driver.declarations import ffi
from rnnfast.backends.cuda.driver.launch import Kernel
from rnnfast.backends.cuda.driver.library import Driver
from rnnfast.backends.cuda.driver.scalars import fields_of
from rnnfast.backends.cuda.tiers import Limits

PATIENCE = 3
"""Rounds in which nothing happens: one may go by before a thread that looks at a counter sees what it waits for."""


class Deadlock(Exception):
    """Threads wait for what cannot happen any more."""


class Emulator(DeviceMemory):
    """Stands in for `rnnfast.backends.cuda.device.Device`. `order`: None, or a seed of the order of threads."""

    name, side, each = "emulator", 4, 2

    def __init__(self) -> None:
        super().__init__()
        self.cuda, self.launched = Cuda(), list[str]()
        self.limits = Limits(threads=32, lanes=WARP, words=(24, 48), shared=2048, blocks=6)
        self.order: int | None = None
        self.library = EmulatedLibrary(self._launch)
        self.driver = Driver(self.library)
        self.driver.functions = tuple([int(ffi.cast("uintptr_t", each)) for each in self.library.functions])

    def kernel(self, make: Callable[..., Any], *constants: Any, threads: int = 0, **_: Any) -> Kernel:
        """The kernel, which the emulator runs as a Python function."""
        function, name = make(self.cuda, *constants), make.__name__
        fields = fields_of(function)
        handle = self.library.loaded(name, function, fields)
        return Kernel(self.driver, handle, name, fields, threads or self.limits.threads)

    def _launch(self, name: str, *launch: Any) -> None:
        self.launched.append(name)
        self.run(*launch)

    def run(self, kernel: Any, blocks: Any, threads: int, stream: int, *arguments: Any) -> None:
        """Run it to its end, as all streams do here. Raises Deadlock where threads wait for ever."""
        width, height = blocks if isinstance(blocks, tuple) else (blocks, 1)
        cuda = self.cuda
        cuda.block_dim = SimpleNamespace(x=threads, y=1)
        warps = [min(WARP, threads - first) for first in range(0, threads, WARP)]
        alive: list[Thread] = []

        def run() -> None:
            with np.errstate(all="ignore"):  # of this greenlet
                kernel(*arguments)

        for y in range(height):
            for x in range(width):
                block = Block(SimpleNamespace(x=x, y=y), Gate(threads), [Gate(size) for size in warps])
                alive += [Thread(run, block, number) for number in range(threads)]
        self._serve(deque(alive))

    def _serve(self, queue: deque[Thread]) -> None:
        """Let threads run until they wait, round after round, until rounds pass in which nothing happens."""
        idle, chance = 0, random.Random(self.order)
        slow = {warp: chance.random() < 0.5 for warp in dict.fromkeys(map(warp_of, queue)) if self.order is not None}
        while queue:
            before = self.cuda.progress
            for _ in range(len(queue)):
                thread = queue.popleft()
                if idle or not slow or not slow[warp_of(thread)] or chance.random() < 0.1:
                    thread.switch()
                if thread.dead:
                    self.cuda.progress += 1
                else:
                    queue.append(thread)
            idle = idle + 1 if self.cuda.progress == before else 0
            if idle == PATIENCE:
                waiting = sorted({thread.waits_for for thread in queue})
                raise Deadlock(f"{len(queue)} threads wait for ever: {', '.join(waiting)}")
