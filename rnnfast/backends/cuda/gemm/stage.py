"""A stage of an operand in shared memory: numbers as they are, or as two float16 halves and a scale for each row."""

from __future__ import annotations

import numpy as np

from rnnfast.backends.cuda.gemm.operand import sharer
from rnnfast.backends.cuda.gemm.tile import PAIR_BYTES, ROW_BYTES, placer

u32 = np.uint32


def storer(ops, by_k, side, half, paired):
    """Return the function that writes a thread's 4 x 4 numbers of a stage to shared memory.

    Four numbers of k of a row are four words: as they are, or with `half` their high halves, two in a word, and then
    their low halves, in a power of two that is the row's own in this stage; its inverse is written to `scales`. For
    this, eight neighbouring threads have one row. Rows are `paired` in A's tile, not in B's (tile.py).
    """
    share, place, words_of = sharer(ops, by_k, side), placer(ops, paired), (halver if half else taker)(ops, by_k)
    put, put_words4 = ops.store_shared, ops.store_shared_words4
    assert by_k or not half, "the scales of float16 are those of rows whose k is contiguous"

    @ops.inline
    def store(v, tile, scales, tid):
        r, u = share(tid)
        for i in range(0, 4, 2):
            row = u32(u32(4) * r + u32(i))
            x0, x1, x2, x3, scale_x = words_of(v, i)
            z0, z1, z2, z3, scale_z = words_of(v, i + 1)
            if paired:
                at = u32(tile + (row >> u32(1)) * u32(PAIR_BYTES) + (place(row >> u32(1), u) << u32(4)))
                put_words4(at, x0, z0, x1, z1)
                put_words4(u32(at + u32(ROW_BYTES)), x2, z2, x3, z3)
            else:
                at = u32(tile + row * u32(ROW_BYTES))
                put_words4(u32(at + (place(row, u) << u32(4))), x0, x1, x2, x3)
                put_words4(u32(at + u32(ROW_BYTES) + (place(row + u32(1), u) << u32(4))), z0, z1, z2, z3)
            if half and u == u32(0):
                put(u32(scales + u32(4) * row), scale_x)
                put(u32(scales + u32(4) * row + u32(4)), scale_z)

    return store


def taker(ops, by_k):
    """Return the function that gives the words of row i as they are, and no scale."""
    bits, one = ops.bits, np.float32(1)
    across, along = (4, 1) if by_k else (1, 4)

    @ops.inline
    def take(v, i):
        at = across * i
        return bits(v[at]), bits(v[at + along]), bits(v[at + 2 * along]), bits(v[at + 3 * along]), one

    return take


def halver(ops, by_k):
    """Return the function that gives the words of row i as halves, and the inverse of their scale."""
    scales_of, pack, low, high = scaler(ops), ops.pack, ops.low, ops.high

    @ops.inline
    def halve(v, i):
        x0, x1, x2, x3 = v[4 * i], v[4 * i + 1], v[4 * i + 2], v[4 * i + 3]
        scale, inverse = scales_of(x0, x1, x2, x3)
        x0, x1, x2, x3 = x0 * scale, x1 * scale, x2 * scale, x3 * scale
        a, b = pack(x0, x1), pack(x2, x3)
        return a, b, pack(x0 - low(a), x1 - high(a)), pack(x2 - low(b), x3 - high(b)), inverse

    return halve


def scaler(ops):
    """Return the function that gives a row's scale in a stage, and its inverse: powers of two.

    The scale brings the largest of 32 numbers, four in each of eight threads, to 128 .. 256. It stays within what
    leaves the product of two inverses finite: those of numbers from 2^79 on become NaN.
    """
    bits, number, shuffle_xor, absolute, largest = ops.bits, ops.number, ops.shuffle_xor, ops.absolute, ops.largest

    @ops.inline
    def scales_of(x0, x1, x2, x3):
        most = bits(largest(largest(absolute(x0), absolute(x1)), largest(absolute(x2), absolute(x3))))
        for distance in (1, 2, 4):
            most = max(most, shuffle_xor(most, u32(distance)))
        exponent = min(max(u32(most >> u32(23)), u32(8)), u32(197))
        return number(u32((u32(261) - exponent) << u32(23))), number(u32((exponent - u32(7)) << u32(23)))

    return scales_of
