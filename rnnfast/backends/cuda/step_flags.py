"""Which steps are live, and where resets cut, as kernels read it of what was brought; how a block counts live steps.

`given` are lengths (B,), a bit for each position t B + b of mask and one of resets: see given_rows.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from rnnfast.backends.cuda.arrays import array_at, present

BLOCKS_MOST = 512
"""Blocks that share the visits of a direction: more would count the same again and again."""


@register_jitable
def given_at(lengths, mask, resets, steps, batch):
    """Return what lies at these addresses, arrays of no numbers for 0."""
    flags = (steps * batch + 7) // 8
    return (
        array_at(lengths, (present(lengths, batch),), np.int32),
        array_at(mask, (present(mask, flags),), np.uint8),
        array_at(resets, (present(resets, flags),), np.uint8),
    )


@register_jitable
def has_bit(flags, place):
    """Return whether the bit of a position is set."""
    return flags[place // 8] >> (place % 8) & 1 != 0


@register_jitable
def length_of(given, steps, b):
    """Return the length of a row."""
    lengths, _, _ = given
    return lengths[b] if lengths.shape[0] > 0 else steps


@register_jitable
def is_live(given, steps, batch, t, b):
    """Return whether a step is live."""
    _, mask, _ = given
    return t < length_of(given, steps, b) and (mask.shape[0] == 0 or has_bit(mask, t * batch + b))


@register_jitable
def is_cut(given, steps, batch, backwards, v, b):
    """Return whether a reset makes a row's state zeros before visit v; after the last visit none does."""
    _, _, resets = given
    t = steps - v if backwards else v  # it parts t - 1 and t
    return resets.shape[0] > 0 and v < steps and t < length_of(given, steps, b) and has_bit(resets, t * batch + b)


@register_jitable
def live_before(given, steps, batch, t, b):
    """Return how many rows before b are live at step t."""
    found = 0
    for k in range(b):
        if is_live(given, steps, batch, t, k):
            found += 1
    return found


def visits_of_block(steps: int) -> int:
    """Return how many visits a block takes, which first counts the live rows of all before them.

    >>> visits_of_block(100), visits_of_block(1000)
    (1, 2)
    """
    return max(1, -(-steps // BLOCKS_MOST))


def counter(cuda: Any) -> Any:
    """Return the function with which all threads of a block count the live rows of visits before v."""

    def before(given, steps, batch, backwards, v):
        total, thread, threads = cuda.shared.array(1, np.int32), cuda.threadIdx.x, cuda.blockDim.x
        if thread == 0:
            total[0] = 0
        cuda.syncthreads()
        found, u, b = 0, thread // batch, thread % batch
        while u < v:
            if is_live(given, steps, batch, steps - 1 - u if backwards else u, b):
                found += 1
            u, b = u + threads // batch, b + threads % batch
            if b >= batch:
                u, b = u + 1, b - batch
        cuda.atomic.add(total, 0, found)
        cuda.syncthreads()
        return total[0]

    return cuda.jit(device=True)(before)
