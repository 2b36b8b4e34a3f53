"""The parts of the time loops' blocks: weights in registers, products with them, and waiting for one another.

`members` blocks work on a group of rows of the batch. Each owns some hidden units and holds their part of W_hh, in its
threads' registers, for all steps; at every product of a step they wait for one another, or, where one block owns all
units, only its own threads do. Within a block, `lanes` threads share the sums of one unit.

Kernels are made by functions of `cuda`, numba.cuda or what stands in for it, so that their source can be emulated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numba.extending import register_jitable

FOUR = 4
"""Numbers of a vector that a lane reads together: 16 bytes of float32."""


@dataclass(frozen=True)
class Block:
    """How a block works: `lanes` threads for each of its `units`, on so many `entries` at a time."""

    units: int
    lanes: int
    entries: int

    @property
    def threads(self) -> int:
        """The number of its threads."""
        return self.units * self.lanes

    def depth(self, length: int) -> int:
        """Return how many numbers of a vector of `length` a lane sums, a multiple of four."""
        return -(-length // (self.lanes * FOUR)) * FOUR


def number_of(block: Block) -> Any:
    """Return the function that says which number of a vector is a lane's k-th: lanes read neighbouring fours."""
    lanes = block.lanes

    @register_jitable
    def number(k, lane):
        return k // FOUR * (FOUR * lanes) + lane * FOUR + k % FOUR

    return number


def multiplier(cuda: Any, real: Any, block: Block, outputs: int, depth: int) -> Any:
    """Return what makes sums[s, o, unit] for entries s below `count`.

    They are the sums over k of this unit's weights[o, k] times vector[s, k].
    """
    lanes, units, fours = block.lanes, block.units, depth // FOUR
    stride, distances = FOUR * lanes, tuple(2**i for i in range(lanes.bit_length() - 1))

    def multiply(weights, vector, sums, count):
        lane, unit = cuda.threadIdx.x % lanes, cuda.threadIdx.x // lanes
        total = cuda.local.array(outputs, real)
        for s in range(count):
            for o in range(outputs):
                total[o] = 0
            for k in range(fours):
                at = (s * fours + k) * stride + lane * FOUR
                for i in range(FOUR):
                    number = vector[at + i]
                    for o in range(outputs):
                        total[o] += weights[o * depth + k * FOUR + i] * number
            for o in range(outputs):
                for d in range(len(distances)):
                    total[o] += cuda.shfl_xor_sync(0xFFFFFFFF, total[o], distances[d])
                if lane == 0:
                    sums[(s * outputs + o) * units + unit] = total[o]

    return cuda.jit(device=True, forceinline=True)(multiply)


def waiter(cuda: Any) -> Any:
    """Return what waits for all threads of a group's `members` blocks, the `turn`-th time.

    What they wrote before is seen after.
    """

    def wait(counters, group, members, turn):
        cuda.syncthreads()
        if members > 1:
            if cuda.threadIdx.x == 0:
                cuda.threadfence()
                cuda.atomic.add(counters, group, 1)
                while cuda.atomic.add(counters, group, 0) < members * turn:
                    pass
                cuda.threadfence()
            cuda.syncthreads()

    return cuda.jit(device=True, forceinline=True)(wait)
