"""Runs CUDA kernels without a device: every thread of every block is alive, as a greenlet, until all have ended.

Threads give way to one another where they wait, which is the only place where what one does can matter to another: at
barriers, in shuffles and atomics. Each runs as far as it can, so that a thread which should have waited goes ahead of
the others; with an `order`, a number, some warps are slow, others by another. Memory that nobody has written holds
NaN. What is not modelled: the order in which writes become visible, and speed.
"""

from __future__ import annotations

import random
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import greenlet
import numpy as np
from device_memory import DeviceMemory

from rnnfast.backends.cuda.tiers import Limits
from rnnfast.problem import Array

WARP = 4
"""Threads of a warp: few, so that small blocks have several."""
PATIENCE = 3
"""Rounds in which nothing happens: one may go by before a thread that looks at a counter sees what it waits for."""


class Deadlock(Exception):
    """Threads wait for what cannot happen any more."""


@dataclass
class Gate:
    """Where some threads meet: how many are there, and how often all have been."""

    size: int
    arrived: int = 0
    turn: int = 0


@dataclass
class Block:
    """One block: what its threads share."""

    index: SimpleNamespace
    barrier: Gate
    warps: list[Gate]
    shared: list[Array] = field(default_factory=list)
    exchanged: dict[tuple[int, int], dict[int, Any]] = field(default_factory=dict)


class Thread(greenlet.greenlet):
    """One thread: who it is, and what it waits for."""

    def __init__(self, run: Callable[[], None], block: Block, number: int) -> None:
        super().__init__(run)
        self.block, self.number = block, number
        self.shared_arrays = 0
        self.waits_for = ""


def me() -> Thread:
    """The thread that runs."""
    thread = greenlet.getcurrent()
    assert isinstance(thread, Thread)
    return thread


def warp_of(thread: Thread) -> tuple[int, int]:
    """Which warp a thread is in, of all blocks."""
    return id(thread.block), thread.number // WARP


class Cuda:
    """The part of numba.cuda that kernels use."""

    def __init__(self) -> None:
        self.progress = 0
        """Grows whenever a thread gets further."""
        self.barriers: set[tuple[str, int]] = set()
        """Where there are calls of syncthreads: file and line."""
        self.without: tuple[str, int] | None = None
        """One of those, to be left out."""
        self.block_dim = SimpleNamespace(x=1, y=1)
        self.shared = SimpleNamespace(array=self._shared_array)
        self.local = SimpleNamespace(array=lambda shape, dtype: np.full(shape, np.nan, dtype))
        self.atomic = SimpleNamespace(add=self._atomic_add)
        self.cg = SimpleNamespace(this_grid=lambda: None)

    threadIdx = property(lambda self: SimpleNamespace(x=me().number))
    blockIdx = property(lambda self: me().block.index)
    blockDim = property(lambda self: self.block_dim)

    def grid(self, dimensions: int) -> int:
        """The thread's number among those of all blocks of a row."""
        return int(self.blockIdx.x * self.blockDim.x + self.threadIdx.x)

    def jit(self, **options: Any) -> Callable[[Any], Any]:
        """Device functions are themselves."""
        return lambda function: function

    def _meet(self, gate: Gate, where: str) -> int:
        """Wait until all have come; which turn it was."""
        turn = gate.turn
        gate.arrived += 1
        if gate.arrived == gate.size:
            gate.arrived, gate.turn = 0, turn + 1
            self.progress += 1
        me().waits_for = where
        while gate.turn == turn:
            self._give_way()
        me().waits_for = ""
        return turn

    @staticmethod
    def _give_way() -> None:
        parent = me().parent
        assert parent is not None
        parent.switch()

    def syncthreads(self) -> None:
        """All threads of the block."""
        code = sys._getframe(1)
        site = (code.f_code.co_filename.rpartition("/")[2], code.f_lineno)
        self.barriers.add(site)
        if site == self.without:
            return
        self._meet(me().block.barrier, "syncthreads")

    def shfl_xor_sync(self, mask: int, value: Any, distance: int) -> Any:
        """The value of the thread whose number differs in these bits; the whole warp takes part."""
        thread = me()
        warp, lane = divmod(thread.number, WARP)
        gate = thread.block.warps[warp]
        values = thread.block.exchanged.setdefault((warp, gate.turn), {})
        values[lane] = value
        turn = self._meet(gate, "shuffle")
        thread.block.exchanged.pop((warp, turn - 1), None)
        return values[lane ^ distance]

    def threadfence(self) -> None:
        """Writes are visible at once here."""

    def _atomic_add(self, array: Array, index: Any, value: Any) -> Any:
        old = array[index]
        array[index] += value
        self.progress += bool(value)
        me().waits_for = "a counter"
        self._give_way()
        me().waits_for = ""
        return old

    def _shared_array(self, shape: Any, dtype: Any, alignment: int = 0) -> Array:
        """The block's next shared array: the first thread that comes makes it."""
        thread = me()
        arrays = thread.block.shared
        if len(arrays) == thread.shared_arrays:
            arrays.append(np.full(shape, np.nan, dtype))
        thread.shared_arrays += 1
        return arrays[thread.shared_arrays - 1]


class Emulator(DeviceMemory):
    """Stands in for `rnnfast.backends.cuda.device.Device`. `order`: None, or a seed of the order of threads."""

    name, side, each = "emulator", 4, 2

    def __init__(self) -> None:
        super().__init__()
        self.cuda, self.launched = Cuda(), list[str]()
        self.limits = Limits(threads=32, lanes=WARP, words=(24, 48), shared=2048, blocks=6)
        self.order: int | None = None

    def kernel(self, make: Callable[..., Any], *constants: Any) -> Any:
        """The kernel as a Python function."""
        self.launched.append(make.__name__)
        return make(self.cuda, *constants)

    def run(self, kernel: Any, blocks: Any, threads: int, stream: int, *arguments: Any) -> None:
        """Run it to its end, as all streams do here. Raises Deadlock where threads wait for ever."""
        arguments = self.argument(arguments)
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
                if idle or not slow.get(warp_of(thread)) or chance.random() < 0.1:
                    thread.switch()
                if thread.dead:
                    self.cuda.progress += 1
                else:
                    queue.append(thread)
            idle = idle + 1 if self.cuda.progress == before else 0
            if idle == PATIENCE:
                waiting = sorted({thread.waits_for for thread in queue})
                raise Deadlock(f"{len(queue)} threads wait for ever: {', '.join(waiting)}")
