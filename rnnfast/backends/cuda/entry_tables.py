"""The tables of plans of rows that are not all live, written by the device, of all directions at once.

A table of a plan (plan.py) has an axis more, the directions, of which the `first_direction` is 0 forward or 1 backward,
and room for T B entries.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.backends.cuda.arrays import array_at
from rnnfast.backends.cuda.cells import FROM_START, FROM_ZEROS
from rnnfast.backends.cuda.driver.scalars import address, int64
from rnnfast.backends.cuda.step_flags import NUMBERED, counter, given_at, is_cut, is_live, length_of, numberer


def entries_kernel(cuda: Any) -> Any:
    """Return the kernel that numbers the live rows of all visits: a block takes `each` of them, of one direction."""
    before, number_of = counter(cuda), numberer(cuda)

    def kernel(
        lengths: address, mask: address, steps: int64, batch: int64, first_direction: int64, directions: int64,
        groups: int64, each: int64, bounds: address, rows: address, positions: address, shown: address,
    ):  # fmt: skip
        blocks, thread, threads = (steps + each - 1) // each, cuda.threadIdx.x, cuda.blockDim.x
        d, first = cuda.blockIdx.x // blocks, cuda.blockIdx.x % blocks * each
        backwards, table = first_direction + d == 1, (directions, steps * batch)
        given, words = given_at(lengths, mask, 0, steps, batch), cuda.shared.array(NUMBERED, np.uint32)
        cuts = array_at(bounds, (directions, steps, groups + 1), np.int32)
        start = before(given, steps, batch, backwards, first)
        for v in range(first, min(first + each, steps)):
            t = steps - 1 - v if backwards else v
            for begin in range(0, batch + 1, threads):  # the row after the last has the number of all
                lives, number, count = number_of(words, given, steps, batch, t, begin)
                b, number = begin + thread, start + number
                if b < batch:
                    if lives:
                        array_at(rows, table, np.int32)[d, number] = b
                        array_at(positions, table, np.int64)[d, number] = t * batch + b
                    array_at(shown, table, np.int64)[d, t * batch + b] = number if lives else -1
                if b <= batch:
                    for group in range(-(-b * groups // batch), min(-(-(b + 1) * groups // batch), groups + 1)):
                        cuts[d, v, group] = number
                start += count

    return kernel


def links_kernel(cuda: Any) -> Any:
    """Return the kernel that finds the entry before each of a row: one thread for each visit, and one for the end.

    They walk back over flags, which are few bytes, and over no visit outside a row's length. `shown` is what
    `entries_kernel` wrote. held, like it, of outputs that are held, and `repeats`: 0 where absent.
    """

    def kernel(
        lengths: address, mask: address, resets: address, steps: int64, batch: int64, first_direction: int64,
        directions: int64, shown: address, previous: address, last: address, alive: address, held: address,
        repeats: address,
    ):  # fmt: skip
        at, threads = cuda.grid(1), (steps + 1) * batch
        d, v, b = at // threads, at % threads // batch, at % batch
        if d < directions:
            backwards, table = first_direction + d == 1, (directions, steps * batch)
            origin, step = (steps - 1, -1) if backwards else (0, 1)  # visit u is that of step origin + u * step
            given, numbers = given_at(lengths, mask, resets, steps, batch), array_at(shown, table, np.int64)
            length, is_end = length_of(given, steps, b), v == steps
            low, high = (steps - length, steps) if backwards else (0, length)
            if is_end or is_live(given, steps, batch, origin + v * step, b):
                cut, u, found = is_cut(given, steps, batch, backwards, v, b), min(v, high) - 1, -1
                while u >= low and not is_live(given, steps, batch, origin + u * step, b):
                    cut, u = cut or is_cut(given, steps, batch, backwards, u, b), u - 1
                if u >= low:
                    found = numbers[d, (origin + u * step) * batch + b]
                before = FROM_ZEROS if cut else FROM_START if u < low else found
                if is_end:
                    array_at(last, (directions, batch), np.int32)[d, b] = before
                    array_at(alive, (directions, batch), np.int64)[d, b] = -1 if cut else b
                else:
                    array_at(previous, table, np.int32)[d, numbers[d, (origin + v * step) * batch + b]] = before
                if held != 0:
                    outputs = array_at(held, table, np.int64)
                    for w in range(u + 1 if u >= low else 0, v):
                        outputs[d, (origin + w * step) * batch + b] = found
                    if not is_end:
                        own = (origin + v * step) * batch + b
                        outputs[d, own] = numbers[d, own]
                    if u >= low:
                        array_at(repeats, table, np.int64)[d, found] = v - u

    return kernel
