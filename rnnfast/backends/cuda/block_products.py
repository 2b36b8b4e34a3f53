"""The products of a block's weights, in its threads' registers, with vectors in the device's memory.

A thread makes its sums of one vector after another. Of the two that come next it has the numbers already, or they are
on their way: where it has used a number, it asks for that of the vector after the next. The threads that share sums
add them up within their warp, each step of which halves how many a thread has, and leave those of every warp for
whoever takes the sums to add. Which numbers are added in which order follows from the block alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rnnfast.backends.cuda.arrays import array_at
from rnnfast.backends.cuda.block_sums import gatherer, leaver, summands
from rnnfast.backends.cuda.blocks import Block, Share, in_turn

PART = 4
"""Numbers of a vector between two functions of `in_turn`."""


def parts_of(share: Share) -> list[tuple[int, int, int, int]]:
    """Return the parts of a thread's numbers: the piece, its first of that piece, of all, and how many.

    >>> parts_of(Share(1, 8, 256, (6, 1)))
    [(0, 0, 0, 4), (0, 4, 4, 2), (1, 0, 6, 1)]
    """
    found, begin = [], 0
    for piece, depth in enumerate(share.depths):
        found += [(piece, k, begin + k, min(PART, depth - k)) for k in range(0, depth, PART)]
        begin += depth
    return found


def holder(cuda: Any, share: Share, place_of: Callable[..., Any]) -> Any:
    """Return what fills a thread's weights (numbers of the vector, sums).

    `place_of(size, piece, gate, unit, number)` is the place in `weight`, all of W_hh, of that by which a number of a
    piece counts for a unit's gate. Of units beyond the last, whose sums nobody takes, it has the last one's.
    """
    lanes, units, gates, sums, depths = share.lanes, share.units, share.gates, share.sums, share.depths

    def part(piece, first, begin, count):
        def hold(weights, weight, size, lengths, first_unit):
            lane, unit = cuda.threadIdx.x % lanes, first_unit + cuda.threadIdx.x // lanes * units
            for k in range(count):
                number = lane + (first + k) * lanes
                inside = first + k + 1 < depths[piece] or number < lengths[piece]
                for gate in range(gates):
                    for u in range(units):
                        at = place_of(size, piece, gate, min(unit + u, size - 1), number)
                        value = weight[np.uint64(at)] if inside else weight.dtype.type(0)
                        weights[(begin + k) * sums + gate * units + u] = value

        return hold

    return in_turn(cuda, [part(*each) for each in parts_of(share)])


def fetcher(cuda: Any, share: Share, *, masked: bool) -> Any:
    """Return the function that reads a lane's k-th number of a piece of a vector, zero where there is none.

    `pieces` are where a vector's pieces begin and end. With `masked` the number comes times that of a mask.
    """
    lanes, depths = share.lanes, share.depths

    def fetch(vector, mask, pieces, piece, k):
        begin, end = pieces[piece]
        at = begin + cuda.threadIdx.x % lanes + k * lanes
        if k + 1 == depths[piece] and at >= end:
            return vector.dtype.type(0)
        return vector[np.uint64(at)] * mask[np.uint64(at)] if masked else vector[np.uint64(at)]

    return cuda.jit(device=True, forceinline=True)(fetch)


def passer(cuda: Any, real: Any, share: Share, fetch: Any, place: int) -> tuple[Any, Any]:
    """Return what asks for a vector's numbers, ahead[place:], and what makes a thread's sums of those there.

    The second asks for those of another vector in their place.
    """
    sums = share.sums

    def asked(piece, first, begin, count):
        def ask(weights, total, ahead, vector, mask, pieces):
            for k in range(count):
                ahead[place + begin + k] = fetch(vector, mask, pieces, piece, first + k)

        return ask

    def summed(piece, first, begin, count):
        def add(weights, total, ahead, vector, mask, pieces):
            for k in range(count):
                number = ahead[place + begin + k]
                for i in range(sums):
                    total[i] += weights[(begin + k) * sums + i] * number
                ahead[place + begin + k] = fetch(vector, mask, pieces, piece, first + k)

        return add

    parts = parts_of(share)
    return in_turn(cuda, [asked(*each) for each in parts]), in_turn(cuda, [summed(*each) for each in parts])


def multiplier(cuda: Any, real: Any, block: Block, share: Share, *, masked: bool) -> Any:
    """Return what makes sums[warp, s, gate, unit] of the vectors at `vectors` and masks at `masks`, s below `count`.

    Of a vector at 0 all numbers are zeros; what is at `other` is read, and not used.
    """
    depth, read, fetch, room = share.depth, block.ahead, fetcher(cuda, share, masked=masked), summands(share)
    held = read * depth
    ask, add = passer(cuda, real, share, fetch, 0)
    ask_odd, add_odd = passer(cuda, real, share, fetch, held - depth)
    gather, leave = gatherer(cuda, block, share), leaver(cuda, block, share)

    def see(vectors, masks, s, other, end):
        at, factors = vectors[s], masks[s] if masked else np.uint64(0)
        return (
            array_at(at if at != 0 else other, (end,), real),
            array_at(factors if factors != 0 else other, (end,), real),
        )

    see = cuda.jit(device=True, forceinline=True)(see)

    def multiply(weights, vectors, masks, other, pieces, to, count):
        total, ahead = cuda.local.array(room, real), cuda.local.array(held, real)
        last, end = count - 1, pieces[-1][1]
        vector, mask = see(vectors, masks, 0, other, end)
        ask(weights, total, ahead, vector, mask, pieces)
        if read > 1:
            vector, mask = see(vectors, masks, min(1, last), other, end)
            ask_odd(weights, total, ahead, vector, mask, pieces)
        for s in range(0, count, read):
            for i in range(room):
                total[i] = 0
            vector, mask = see(vectors, masks, min(s + read, last), other, end)
            add(weights, total, ahead, vector, mask, pieces)
            gather(total)
            leave(total, to, s, vectors[s] != 0)
            if read > 1 and s < last:
                for i in range(room):
                    total[i] = 0
                vector, mask = see(vectors, masks, min(s + 3, last), other, end)
                add_odd(weights, total, ahead, vector, mask, pieces)
                gather(total)
                leave(total, to, s + 1, vectors[s + 1] != 0)

    return cuda.jit(device=True, forceinline=True)(multiply)
