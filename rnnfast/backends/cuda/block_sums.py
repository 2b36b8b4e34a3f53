"""Sums that a block's threads share: added up within warps, then by whoever takes them.

A warp's lanes add up n sums each in a tree: at every step a lane keeps half of its sums, gives its partner the other
half and adds what it gets, until it has one; which one, its number says. The rest of the steps add that up.
"""

from __future__ import annotations

from typing import Any

from rnnfast.backends.cuda.blocks import Block, Share, in_turn


def summands(share: Share) -> int:
    """Return how many sums a thread has once there are a power of two of them."""
    return 1 << (share.sums - 1).bit_length()


def warps_of(block: Block, share: Share) -> int:
    """Return how many warps share sums."""
    return max(1, share.lanes // block.lanes)


def room_of(block: Block, share: Share) -> int:
    """Return how many numbers `leaver` writes for one vector."""
    return warps_of(block, share) * share.gates * block.units


def _steps(block: Block, share: Share) -> list[tuple[int, int]]:
    """Return of every step the distance of partners and how many sums a lane keeps."""
    distance, kept, found = min(block.lanes, share.lanes) // 2, summands(share), []
    while distance:
        kept = max(1, kept // 2)
        found.append((distance, kept))
        distance //= 2
    return found


def gatherer(cuda: Any, block: Block, share: Share) -> Any:
    """Return what adds up total[:] within a warp: the first of them are a lane's, all others are of no use then."""

    def halving(distance, kept):
        def halve(total):
            upper = cuda.threadIdx.x & distance != 0
            for i in range(kept):
                low, high = total[i], total[i + kept]
                given = low if upper else high
                total[i] = (high if upper else low) + cuda.shfl_xor_sync(0xFFFFFFFF, given, distance)

        return halve

    def whole(distance):
        def add(total):
            total[0] += cuda.shfl_xor_sync(0xFFFFFFFF, total[0], distance)

        return add

    def nothing(total):
        pass

    had, functions = summands(share), []
    for distance, kept in _steps(block, share):
        functions.append(whole(distance) if had == 1 else halving(distance, kept))
        had = kept
    return in_turn(cuda, functions or [nothing])


def leaver(cuda: Any, block: Block, share: Share) -> Any:
    """Return what writes a lane's sums of the s-th vector to to[warp, s, gate, unit], or zeros if it is not there."""
    had, halvings, rest = summands(share), [], 0
    for distance, kept in _steps(block, share):
        if had > 1:
            halvings.append((distance, kept))
        else:
            rest |= distance
        had = kept
    left, marks = had, tuple(halvings) or ((0, 0),)
    lanes, warp, units, owned, count = share.lanes, block.lanes, share.units, block.units, share.sums
    size, entries = share.gates * owned, block.entries

    def leave(total, to, s, is_there):
        thread, first = cuda.threadIdx.x, 0
        for n in range(len(marks)):
            distance, kept = marks[n]
            if thread & distance:
                first += kept
        if thread & rest == 0:
            at = (thread % lanes // warp * entries + s) * size + thread // lanes * units
            for i in range(left):
                n = first + i
                if n < count:
                    to[at + n // units * owned + n % units] = total[i] if is_there else to.dtype.type(0)

    return cuda.jit(device=True, forceinline=True)(leave)


def taker(cuda: Any, block: Block, share: Share) -> Any:
    """Return what adds up the warps' sums of the s-th vector for one of the block's units, where the first is."""
    warps, gates, owned, entries = warps_of(block, share), share.gates, block.units, block.entries
    size = gates * owned

    def take(sums, s, unit):
        for gate in range(gates):
            at = s * size + gate * owned + unit
            value = sums[at]
            for warp in range(1, warps):
                value += sums[warp * entries * size + at]
            sums[at] = value

    return cuda.jit(device=True, forceinline=True)(take)
