"""A stage of an operand in shared memory: numbers as they are, or as two float16 halves and a scale for each row."""

from __future__ import annotations

import numpy as np

from rnnfast.backends.cuda.gemm.operand import sharer
from rnnfast.backends.cuda.gemm.tile import ROW_BYTES, placer

u32 = np.uint32


def storer(ops, by_k, side, half):
    """Return the function that writes a thread's 4 x 4 numbers of a stage to shared memory.

    With `half` a unit is the four numbers' high halves, then their low halves, as float16 in powers of two that are
    the row's own in this stage; what undoes them is written to `scales`. Eight neighbouring threads have one row.
    """
    share, place, scales_of = sharer(ops, by_k, side), placer(ops), scaler(ops)
    put, put4, put_words4 = ops.store_shared, ops.store_shared4, ops.store_shared_words4
    pack, low, high = ops.pack, ops.low, ops.high
    assert by_k or not half, "the scales of float16 are those of rows whose k is contiguous"

    @ops.inline
    def store(v, tile, scales, tid):
        r, u = share(tid)
        for i in range(4):
            row = u32(u32(4) * r + u32(i))
            at = u32(tile + row * u32(ROW_BYTES) + (place(row, u) << u32(4)))
            if not half and by_k:
                put4(at, v[4 * i], v[4 * i + 1], v[4 * i + 2], v[4 * i + 3])
            elif not half:
                put4(at, v[i], v[4 + i], v[8 + i], v[12 + i])
            else:
                x0, x1, x2, x3 = v[4 * i], v[4 * i + 1], v[4 * i + 2], v[4 * i + 3]
                scale, inverse = scales_of(x0, x1, x2, x3)
                x0, x1, x2, x3 = x0 * scale, x1 * scale, x2 * scale, x3 * scale
                a, b = pack(x0, x1), pack(x2, x3)
                put_words4(at, a, b, pack(x0 - low(a), x1 - high(a)), pack(x2 - low(b), x3 - high(b)))
                if u == u32(0):
                    put(u32(scales + u32(4) * row), inverse)

    return store


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
