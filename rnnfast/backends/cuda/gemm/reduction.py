"""The sum of a product's slices of k, and where it goes: the second half of a product of many k and few tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from rnnfast.backends.cuda.driver.scalars import address, int32
from rnnfast.backends.cuda.gemm.operand import WORD

f32, i32, u32, u64 = np.float32, np.int32, np.uint32, np.uint64
THREADS = 256


def reduction_kernel(ops: Any) -> Any:
    """Return the kernel of to[i] = sum over s of from[s part + first + i], s ascending, a thread for every number.

    Up to six such sums, each with its own `first`, count and target, in one launch. With `add`, `to` is added to.
    """
    thread, block, load, load_constant, store, after = (
        ops.thread, ops.block, ops.load, ops.load_constant, ops.store, ops.after,
    )  # fmt: skip

    def kernel(
        parts: address, part: int32, slices: int32, add: int32, first0: int32, count0: int32, to0: address,
        first1: int32, count1: int32, to1: address, first2: int32, count2: int32, to2: address, first3: int32,
        count3: int32, to3: address, first4: int32, count4: int32, to4: address, first5: int32, count5: int32,
        to5: address,
    ):  # fmt: skip
        i = i32(block() * u32(THREADS) + thread())
        first, count, to = first0, count0, to0
        if i >= count:
            i, first, count, to = i32(i - count), first1, count1, to1
        if i >= count:
            i, first, count, to = i32(i - count), first2, count2, to2
        if i >= count:
            i, first, count, to = i32(i - count), first3, count3, to3
        if i >= count:
            i, first, count, to = i32(i - count), first4, count4, to4
        if i >= count:
            i, first, count, to = i32(i - count), first5, count5, to5
        if i < count:
            value, at = f32(0), after(parts, u32(first + i), WORD)
            for _ in range(slices):
                value += load_constant(at)
                at = after(at, u32(part), WORD)
            target = after(to, u32(i), WORD)
            store(target, value + load(target) if add != 0 else value)

    return kernel


class Target(NamedTuple):
    """One sum of `Gathered`: where in a slice it begins, how many numbers it has, the address to write to."""

    first: int
    numbers: int
    address: int


@dataclass(frozen=True)
class Gathered:
    """The launch that adds slices up, `counts` numbers for each of up to six targets."""

    counts: tuple[int, ...]
    slices: int
    part: int
    make = staticmethod(reduction_kernel)
    constants: tuple[()] = ()
    threads, shared = THREADS, 0

    @property
    def grid(self) -> int:
        """Blocks."""
        return -(-sum(self.counts) // self.threads)

    def arguments(self, parts: int, targets: tuple[Target, ...], *, add: bool = False) -> tuple[int, ...]:
        """Return the kernel's arguments; `parts` is the address of the first slice."""
        assert tuple(target.numbers for target in targets) == self.counts and len(targets) <= 6
        every = (*targets, *[Target(0, 0, 0)] * (6 - len(targets)))
        return (parts, self.part, self.slices, int(add), *(value for target in every for value in target))
