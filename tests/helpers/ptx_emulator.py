"""Runs kernels that take the operations of `rnnfast.backends.cuda.ptx` without a device, from their own source.

    emulator = PtxEmulator()
    kernel = make(emulator.operations, ...)
    emulator.launch(kernel, grid, threads, emulator.place(a), emulator.place(b, writable=True), cluster=2, shared=1024)

Every thread of every block is alive as a greenlet. Those of a warp meet in `mma_*`, shuffles and `sync_warp`; messages
to peers arrive late, or by `order`, a seed, some of them sooner, while some warps are slow. Tests leave out what is
at `without`, one of `sites`, and see results go wrong, an access be refused, or Deadlock with who waits for what. What
is not modelled: the order in which writes of one block become visible, reconvergence, and speed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from ptx_memory import Block, GlobalMemory
from ptx_operations import Operations
from ptx_threads import WARP, Meeting, Scheduler, Thread

from rnnfast.problem import Array


class PtxEmulator:
    """A device with the operations of inline PTX. `impatient`: waits for barriers end, so that bounds are reached."""

    def __init__(self, order: int | None = None) -> None:
        self.order, self.impatient = order, False
        self.memory = GlobalMemory()
        self.operations = Operations(self.memory)

    @property
    def sites(self) -> set[tuple[str, str, int]]:
        """Where kernels synchronise: operation, file and line."""
        return self.operations.sites

    @property
    def without(self) -> tuple[str, str, int] | None:
        """One of those, to be left out."""
        return self.operations.without

    @without.setter
    def without(self, site: tuple[str, str, int] | None) -> None:
        self.operations.without = site

    def place(self, a: Array | None, *, writable: bool = False) -> np.uint64:
        """Make an array reachable for kernels; its address, 0 for None."""
        return np.uint64(0) if a is None else self.memory.place(a, writable=writable)

    def launch(
        self,
        kernel: Callable[..., None],
        grid: int | tuple[int, int],
        threads: int,
        *arguments: Any,
        cluster: int = 0,
        shared: int = 0,
    ) -> None:
        """Run it to its end with blocks of `threads`, in clusters of so many along x; 0: in none. Raises Deadlock."""
        width, height = grid if isinstance(grid, tuple) else (grid, 1)
        assert threads % WARP == 0 and width % max(1, cluster) == 0, "whole warps and clusters only"

        def run() -> None:
            with np.errstate(all="ignore"):  # of this greenlet
                kernel(*arguments)

        everyone: list[Thread] = []
        for first in range(0, width * height, max(1, cluster)):
            blocks = [Block(first + rank, rank, threads, shared) for rank in range(max(1, cluster))]
            together = Meeting("the cluster's barrier", len(blocks) * threads)
            for block in blocks:
                block.cluster, block.x, block.y = blocks if cluster else [], block.number % width, block.number // width
                everyone += _threads_of(block, threads, run, together)
        scheduler = Scheduler(everyone, self.order, impatient=self.impatient)
        self.operations.scheduler = scheduler
        scheduler.run()


def _threads_of(block: Block, threads: int, run: Callable[[], None], cluster: Meeting) -> list[Thread]:
    barrier, found = Meeting("the block's barrier", threads), []
    for first in range(0, threads, WARP):
        warp = Meeting(f"warp {first // WARP}", WARP)
        meetings = {"warp": warp, "block": barrier, "cluster": cluster}
        found += [Thread(run, block, first + lane, meetings) for lane in range(WARP)]
    return found
