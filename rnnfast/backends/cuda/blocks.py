"""The parts of the time loops' blocks: what their threads hold of W_hh, and waiting for one another.

`members` blocks work on a group of rows of the batch. Each owns some hidden units and holds their part of W_hh, in its
threads' registers, for all steps; at every product of a step they wait for one another, or, where one block owns all
units, only its own threads do. A block that has waited in vain sets an error word and goes on, never to wait again:
what it makes is wrong then, but all blocks end.

Kernels are made by functions of `cuda`, numba.cuda or what stands in for it, so that their source can be emulated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast.backends.cuda.arrays import announce, announced, array_at
from rnnfast.backends.cuda.shapes import Cell

PATIENCE = 10_000_000
"""Looks at a group's counter, each of which takes most of a microsecond, before a block has waited in vain."""
NEVER = -(1 << 40)
"""A turn that is always over, as are those that follow it."""
MOST_SUMS = 8
"""Sums that a thread works on at once: so many multiplications serve for one number of the vector that is read."""


@dataclass(frozen=True)
class Block:
    """How a block works: `threads` for its `units`, on so many `entries` at a time."""

    units: int
    threads: int
    entries: int
    lanes: int = 32
    """Threads of a warp."""
    ahead: int = 2
    """Vectors that its threads have read, or asked for, before those are multiplied: 1 or 2."""


@dataclass(frozen=True)
class Share:
    """A thread's share of a product: `gates` of each of its `units`, over its numbers of the vector.

    `lanes` threads share these sums: of each piece of the vector, lane n has the numbers n, n + lanes, and so on,
    `depths` of them.
    """

    gates: int
    units: int
    lanes: int
    depths: tuple[int, ...]

    @property
    def sums(self) -> int:
        """The number of its sums."""
        return self.gates * self.units

    @property
    def depth(self) -> int:
        """How many numbers of the vector it has."""
        return sum(self.depths)

    @property
    def words(self) -> int:
        """How many weights it holds."""
        return self.sums * self.depth


def share_of(block: Block, gates: int, pieces: Sequence[int]) -> Share:
    """Return the shares of a product that has `gates` sums for each unit, of a vector in pieces of such lengths.

    >>> share_of(Block(8, 256, 32), 4, (1024,))
    Share(gates=4, units=2, lanes=64, depths=(16,))
    """
    units = 1
    while 2 * units <= block.units and 2 * units * gates <= MOST_SUMS:
        units *= 2
    lanes = block.threads * units // block.units
    return Share(gates, units, lanes, tuple([-(-length // lanes) for length in pieces]))


def forward_shares(block: Block, cell: Cell, size: int) -> tuple[Share, ...]:
    """Return the shares of forward's products, one for each phase."""
    return tuple([share_of(block, phase.count, (size,)) for phase in cell.phases])


def backward_shares(block: Block, cell: Cell, size: int) -> tuple[Share, ...]:
    """Return the shares of backward's products, one for each phase: of its gates' gradients, a piece for each run."""
    return tuple([share_of(block, 1, [run.count * size for run in phase.runs]) for phase in cell.phases])


def in_turn(cuda: Any, functions: Sequence[Callable[..., Any]]) -> Any:
    """Return the function that calls all of these with its arguments.

    Loops may be unrolled or not, and where they are not, arrays that they index are in memory and not in registers.
    """
    if len(functions) == 1:
        return cuda.jit(device=True, forceinline=True)(functions[0])
    middle = len(functions) // 2
    first, second = in_turn(cuda, functions[:middle]), in_turn(cuda, functions[middle:])

    def both(*arguments):
        first(*arguments)
        second(*arguments)

    return cuda.jit(device=True, forceinline=True)(both)


def waiter(cuda: Any, patience: int = PATIENCE) -> tuple[Any, Any]:
    """Return what tells a group's `members` blocks that all threads of this one have come, and what waits for them.

    What they wrote before, the `turn`-th time, is seen after; `counter` is the address of the group's. Between the two
    the threads may do what needs nothing of other blocks'. What waits returns the turn, of which only thread 0 has to
    know; where it has looked `patience` times it makes the word at `error` 1 and returns one that is always over.
    """

    def arrive(counter, members):
        cuda.syncthreads()
        if members > 1 and cuda.threadIdx.x == 0:
            announce(counter)

    def wait(counter, members, turn, error):
        if members > 1 and cuda.threadIdx.x == 0:
            looks = 0
            while announced(counter) < members * turn:
                looks += 1
                if looks > patience:
                    array_at(error, (1,), np.uint32)[0] = 1
                    turn = NEVER
                cuda.syncwarp(1)  # this thread alone: a place for an emulator to let others run
        cuda.syncthreads()
        return turn

    return cuda.jit(device=True, forceinline=True)(arrive), cuda.jit(device=True, forceinline=True)(wait)
