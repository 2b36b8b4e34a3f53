"""Which steps are live, and where resets cut, as kernels read it of what was brought; how a block counts live steps.

`given` are lengths (B,), a bit for each position t B + b of mask and one of resets: see given_rows.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from rnnfast.backends.cuda.arrays import array_at, present

BLOCKS_MOST = 128
"""Blocks that share the visits of a direction: about as many as run at once, more would count the same again."""


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
    place = np.uint64(place)  # as signed division takes many instructions
    return (flags[place >> np.uint64(3)] >> (place & np.uint64(7))) & np.uint64(1) != 0


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


BITS, NUMBERED = 32, 32
"""Rows in a word, words of the rows that a block numbers at a time: there are no blocks of more threads."""


def visits_of_block(steps: int) -> int:
    """Return how many visits a block takes, which first counts the live rows of all before them.

    >>> visits_of_block(100), visits_of_block(500)
    (1, 4)
    """
    return max(1, -(-steps // BLOCKS_MOST))


def counter(cuda: Any) -> Any:
    """Return the function with which all threads of a block count the live rows of visits before v.

    A thread keeps to its rows; where there are more threads than rows, several share the visits of one.
    """

    def before(given, steps, batch, backwards, v):
        total, thread, threads = cuda.shared.array(1, np.int32), cuda.threadIdx.x, cuda.blockDim.x
        _, mask, _ = given
        if thread == 0:
            total[0] = 0
        cuda.syncthreads()
        found, sharing, own = 0, max(threads // batch, 1), thread // batch
        for b in range(thread % batch if own < sharing else batch, batch, threads):
            length = length_of(given, steps, b)
            low, high = (steps - v, length) if backwards else (0, min(v, length))
            if mask.shape[0] > 0:
                for t in range(low + own, high, sharing):
                    found += has_bit(mask, t * batch + b)
            elif own == 0:
                found += max(high - low, 0)
        cuda.atomic.add(total, 0, found)
        cuda.syncthreads()
        return total[0]

    return cuda.jit(device=True)(before)


def numberer(cuda: Any) -> Any:
    """Return the function with which all threads of a block number the live ones of a step's rows, one for each.

    `number(words, given, steps, batch, t, first)` returns whether row first + thread is live, how many of the rows from
    `first` on are live before it, and how many of all these are. `words` is an array of `NUMBERED` in shared memory.
    """

    def number(words, given, steps, batch, t, first):
        thread, threads = cuda.threadIdx.x, cuda.blockDim.x
        word, bit, b = thread // BITS, np.uint32(1) << np.uint32(thread % BITS), first + thread
        lives = b < batch and is_live(given, steps, batch, t, b)
        if thread < NUMBERED:
            words[thread] = 0
        cuda.syncthreads()
        if lives:
            cuda.atomic.add(words, word, bit)
        cuda.syncthreads()
        before, count = np.int64(cuda.popc(words[word] & (bit - np.uint32(1)))), 0
        for n in range((threads + BITS - 1) // BITS):
            here = np.int64(cuda.popc(words[n]))
            count += here
            before += here if n < word else 0
        cuda.syncthreads()  # for whoever uses the words next
        return lives, before, count

    return cuda.jit(device=True)(number)
