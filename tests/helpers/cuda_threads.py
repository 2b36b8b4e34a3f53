"""Threads of emulated CUDA kernels, and what these use of numba.cuda: where threads wait, they give way to others."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import greenlet
import numpy as np

from rnnfast.problem import Array

WARP = 4
"""Threads of a warp: few, so that small blocks have several."""


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
        self.block, self.number, self.index = block, number, SimpleNamespace(x=number)
        self.shared_arrays = 0
        self.waits_for = ""


me = cast(Callable[[], Thread], greenlet.getcurrent)
"""Returns the thread that runs. Kernels ask for it at every other step: it is no function of Python's."""


def warp_of(thread: Thread) -> tuple[int, int]:
    """Which warp a thread is in, of all blocks."""
    return id(thread.block), thread.number // WARP


class Cuda:
    """The part of numba.cuda that kernels use."""

    def __init__(self) -> None:
        self.progress = 0
        """Grows whenever a thread gets further."""
        self.impatient = False
        """Whether looks at a counter are progress, so that a kernel's own bounds are reached."""
        self.barriers: set[tuple[str, int]] = set()
        """Where there are calls of syncthreads: file and line."""
        self.without: tuple[str, int] | None = None
        """One of those, to be left out."""
        self.block_dim = SimpleNamespace(x=1, y=1)
        self.shared = SimpleNamespace(array=self._shared_array)
        self.local = SimpleNamespace(array=lambda shape, dtype: np.full(shape, np.nan, dtype))
        self.atomic = SimpleNamespace(add=self._atomic_add, max=self._atomic_max)

    threadIdx = property(lambda self: me().index)
    blockIdx = property(lambda self: me().block.index)
    blockDim = property(lambda self: self.block_dim)

    def grid(self, dimensions: int) -> int:
        """The thread's number among those of all blocks of a row."""
        return int(self.blockIdx.x * self.blockDim.x + self.threadIdx.x)

    def jit(self, **options: Any) -> Callable[[Any], Any]:
        """Device functions are themselves."""
        return lambda function: function

    def _meet(self, thread: Thread, gate: Gate, where: str) -> int:
        """Wait until all have come; which turn it was."""
        turn = gate.turn
        gate.arrived += 1
        if gate.arrived == gate.size:
            gate.arrived, gate.turn = 0, turn + 1
            self.progress += 1
            return turn
        thread.waits_for, give_way = where, thread.parent.switch
        while gate.turn == turn:
            give_way()
        thread.waits_for = ""
        return turn

    def syncthreads(self) -> None:
        """All threads of the block."""
        frame = sys._getframe(1)
        site = _site(frame.f_code.co_filename, frame.f_lineno)
        self.barriers.add(site)
        if site != self.without:
            thread = me()
            self._meet(thread, thread.block.barrier, "syncthreads")

    def shfl_xor_sync(self, mask: int, value: Any, distance: int) -> Any:
        """The value of the thread whose number differs in these bits; the whole warp takes part."""
        thread = me()
        warp, lane = divmod(thread.number, WARP)
        gate = thread.block.warps[warp]
        values = thread.block.exchanged.setdefault((warp, gate.turn), {})
        values[lane] = value
        turn = self._meet(thread, gate, "shuffle")
        thread.block.exchanged.pop((warp, turn - 1), None)
        return values[lane ^ distance]

    def popc(self, word: Any) -> int:
        """How many bits are set."""
        return int(word).bit_count()

    def threadfence(self) -> None:
        """Writes are visible at once here."""

    def syncwarp(self, mask: int) -> None:
        """One thread that waits for a counter: others may go on."""
        thread = me()
        self.progress += self.impatient
        thread.waits_for = "a counter"
        thread.parent.switch()
        thread.waits_for = ""

    def _atomic_add(self, array: Array, index: Any, value: Any) -> Any:
        self.progress += bool(value)  # adding nothing is how threads look at a counter
        return self._replaced(array, index, array[index] + value)

    def _atomic_max(self, array: Array, index: Any, value: Any) -> Any:
        self.progress += 1
        return self._replaced(array, index, max(array[index], value))

    def _replaced(self, array: Array, index: Any, value: Any) -> Any:
        """Write a value, and let other threads go on; what was there before."""
        old, thread = array[index], me()
        array[index] = value
        thread.waits_for = "a counter"
        thread.parent.switch()
        thread.waits_for = ""
        return old

    def _shared_array(self, shape: Any, dtype: Any, alignment: int = 0) -> Array:
        """The block's next shared array: the first thread that comes makes it."""
        thread = me()
        arrays = thread.block.shared
        if len(arrays) == thread.shared_arrays:
            arrays.append(np.full(shape, {"f": np.nan, "i": -7, "u": 0}[np.dtype(dtype).kind], dtype))
        thread.shared_arrays += 1
        return arrays[thread.shared_arrays - 1]


@functools.cache
def _site(path: str, line: int) -> tuple[str, int]:
    """A line of a file, by its name."""
    return path.rpartition("/")[2], line
