"""The tables of a plan from the lengths of its rows, written by the device: a thread counts what comes before it."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.backends.cuda.arrays import array_at
from rnnfast.backends.cuda.cells import FROM_START
from rnnfast.backends.cuda.driver.scalars import address, int64


def counter(cuda: Any) -> Any:
    """Return the function that counts the live steps visited before (t, b), in rows of these `lengths` (B,)."""

    def before(lengths, t, b, backwards):
        found = 0
        for k in range(lengths.shape[0]):
            length = lengths[k]
            found += max(length - 1 - t, 0) if backwards else min(length, t)
            if k < b and length > t:
                found += 1
        return found

    return cuda.jit(device=True)(before)


def entries_kernel(cuda: Any) -> Any:
    """Return the kernel that writes the tables of a `Plan` of rows of these lengths (B,), one thread a position.

    Tables have room for T B entries. held: like `shown`, of outputs that are held; with `repeats` it may be absent.
    """
    before = counter(cuda)

    def kernel(
        lengths: address, steps: int64, batch: int64, backwards: int64, groups: int64, bounds: address, rows: address,
        previous: address, last: address, positions: address, shown: address, held: address, repeats: address,
    ):  # fmt: skip
        at, room = cuda.grid(1), steps * batch
        if at < room:
            v, b = at // batch, at % batch
            t, earlier = (steps - 1 - v, steps - v) if backwards else (v, v - 1)
            ends, place = array_at(lengths, (batch,), np.int32), t * batch + b
            length = ends[b]
            is_live, is_first = t < length, earlier < 0 or earlier >= length
            number = before(ends, t, b, backwards) if is_live else -1
            final = before(ends, 0 if backwards else length - 1, b, backwards) if length > 0 else FROM_START
            array_at(shown, (room,), np.int64)[place] = number
            if is_live:
                array_at(rows, (room,), np.int32)[number] = b
                array_at(positions, (room,), np.int64)[number] = place
                found = FROM_START if is_first else before(ends, earlier, b, backwards)
                array_at(previous, (room,), np.int32)[number] = found
            if v == 0:
                array_at(last, (batch,), np.int32)[b] = final
            for group in range(b, groups + 1, batch):
                cut = before(ends, t, group * batch // groups, backwards)
                array_at(bounds, (steps, groups + 1), np.int32)[v, group] = cut
            if held != 0:
                array_at(held, (room,), np.int64)[place] = number if backwards or is_live else final
                if is_live:
                    again = steps - length if not backwards and t == length - 1 else 0
                    array_at(repeats, (room,), np.int64)[number] = 1 + again

    return kernel
