"""Products of W_hh and h on tensor cores with float32's accuracy: each number is two, three products make one.

A warp's weights are fragments of k tiles, 16 columns each. Of a k tile a lane 4 g + q has columns 4 q .. 4 q + 3 of
two rows, g of an even gate and g of the gate after it: what order k has within a tile is free, if h's is the same.

- Halves of 16 bits: x = (high + low / 2^11) / scale, both float16, with the scale a power of two that brings the
  largest number of a row to [2^14, 2^15). The low half is kept 2^11 times as large, so that it does not drown among
  float16's smallest numbers: a number 2^-27 of its row's largest still has 22 bits.
- TF32 has float32's range, and needs no scale: x = high + low, both rounded to 10 bits behind the point.

Of an infinite number the low part is NaN, and so is every sum that it is in, where IEEE may have infinity: exact.py
makes those anew. Finite numbers, however large, and NaN are as IEEE has them.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

f32, u32 = np.float32, np.uint32
ZERO, NOTHING = f32(0), u32(0)
LIFT, LOWER = f32(2048), f32(1 / 2048)
TOP = u32(14)
"""A scale makes the largest number of a row 2^14 or more."""
SHIFT, LEAST, MOST = u32(23), u32(15), u32(255)
"""Where a float32's exponent begins; the least one that has a scale, and that of inf."""
TF32, HALF = u32(0xFFFFE000), u32(0x1000)
"""The bits of a float32 that are its TF32's; half of the last of them, which rounds what is then cut off."""


def scales(ops: Any) -> Any:
    """Return the function from a number's exponent, biased, to its row's scale and that one's inverse."""
    number = ops.number

    def scale(exponent):
        exponent = exponent if exponent > LEAST else LEAST
        exponent = exponent if exponent < MOST else MOST
        return number(u32((u32(254) + TOP - exponent) << SHIFT)), number(u32((exponent - TOP) << SHIFT))

    return ops.inline(scale)


def halves(ops: Any, depth: int, gates: int) -> SimpleNamespace:
    """Return the products in halves of weights of so many `gates`, two by two, in `depth` k tiles.

    `word(h, scale)` and `value(word)`, which is h in that scale, `split(weights, scale of the even gate, of the odd,
    pair)` in place, and `multiply(sums, weights, k, words)`: sums (pair, three, 4), the first of them high x high.
    """
    pack, low, high, lows, highs, mma = ops.pack, ops.low, ops.high, ops.lows, ops.highs, ops.mma_f16
    pairs = (gates + 1) // 2

    def word(x, scale):
        x = x * scale
        return pack(x, (x - low(pack(x, ZERO))) * LIFT)

    def value(word):
        x, rest = low(word), high(word)
        return x + rest * LOWER if rest == rest else x  # an infinite x has no rest

    def pair(x, y):
        both = pack(x, y)
        return both, pack((x - low(both)) * LIFT, (y - high(both)) * LIFT)

    pair = ops.inline(pair)
    number = ops.number

    def split(weights, even, odd, m):
        for k in range(depth):
            f = (m * depth + k) * 8
            x0, x1, x2, x3 = (
                number(weights[f]) * even,
                number(weights[f + 1]) * even,
                number(weights[f + 2]) * even,
                number(weights[f + 3]) * even,
            )
            z0, z1, z2, z3 = (
                number(weights[f + 4]) * odd,
                number(weights[f + 5]) * odd,
                number(weights[f + 6]) * odd,
                number(weights[f + 7]) * odd,
            )
            weights[f], weights[f + 4] = pair(x0, x1)
            weights[f + 2], weights[f + 6] = pair(x2, x3)
            if 2 * m + 1 < gates:
                weights[f + 1], weights[f + 5] = pair(z0, z1)
                weights[f + 3], weights[f + 7] = pair(z2, z3)
            else:  # nothing that would take registers
                weights[f + 1], weights[f + 3], weights[f + 5], weights[f + 7] = NOTHING, NOTHING, NOTHING, NOTHING

    def multiply(sums, weights, k, w0, w1, w2, w3):
        b0, b1, l0, l1 = lows(w0, w1), lows(w2, w3), highs(w0, w1), highs(w2, w3)
        for m in range(pairs):
            f, a = (m * depth + k) * 8, 12 * m
            r = mma(
                sums[a], sums[a + 1], sums[a + 2], sums[a + 3],
                weights[f], weights[f + 1], weights[f + 2], weights[f + 3], b0, b1,
            )  # fmt: skip
            sums[a], sums[a + 1], sums[a + 2], sums[a + 3] = r[0], r[1], r[2], r[3]
            r = mma(
                sums[a + 4], sums[a + 5], sums[a + 6], sums[a + 7],
                weights[f], weights[f + 1], weights[f + 2], weights[f + 3], l0, l1,
            )  # fmt: skip
            sums[a + 4], sums[a + 5], sums[a + 6], sums[a + 7] = r[0], r[1], r[2], r[3]
            r = mma(
                sums[a + 8], sums[a + 9], sums[a + 10], sums[a + 11],
                weights[f + 4], weights[f + 5], weights[f + 6], weights[f + 7], b0, b1,
            )  # fmt: skip
            sums[a + 8], sums[a + 9], sums[a + 10], sums[a + 11] = r[0], r[1], r[2], r[3]

    inline = ops.inline
    return SimpleNamespace(
        word=inline(word), value=inline(value), split=inline(split), multiply=inline(multiply), lower=LOWER
    )


def tf32(ops: Any, depth: int, gates: int) -> SimpleNamespace:
    """Return the same in TF32, for weights of one gate alone: its rows fill the even half of the only pair."""
    assert gates == 1
    number, bits, mma = ops.number, ops.bits, ops.mma_tf32

    def parts(word):
        high = u32(word + HALF) & TF32
        return high, u32(bits(number(word) - number(high)) + HALF)

    parts = ops.inline(parts)

    def word(x, scale):
        return bits(x)

    def split(weights, even, odd, m):
        for k in range(depth):
            for i in range(8 * k, 8 * k + 4):
                weights[i], weights[i + 4] = parts(weights[i])

    def multiply(sums, weights, k, w0, w1, w2, w3):
        words = w0, w1, w2, w3
        for half in range(2):  # columns 4 q + 2 half, and the next
            f = 8 * k + 2 * half
            b0, l0 = parts(words[2 * half])
            b1, l1 = parts(words[2 * half + 1])
            r = mma(sums[0], sums[1], sums[2], sums[3], weights[f], NOTHING, weights[f + 1], NOTHING, b0, b1)
            sums[0], sums[1], sums[2], sums[3] = r[0], r[1], r[2], r[3]
            r = mma(sums[4], sums[5], sums[6], sums[7], weights[f], NOTHING, weights[f + 1], NOTHING, l0, l1)
            sums[4], sums[5], sums[6], sums[7] = r[0], r[1], r[2], r[3]
            r = mma(sums[8], sums[9], sums[10], sums[11], weights[f + 4], NOTHING, weights[f + 5], NOTHING, b0, b1)
            sums[8], sums[9], sums[10], sums[11] = r[0], r[1], r[2], r[3]

    inline = ops.inline
    return SimpleNamespace(
        word=inline(word), value=number, split=inline(split), multiply=inline(multiply), lower=f32(1)
    )
