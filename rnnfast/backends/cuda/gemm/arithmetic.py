"""Three matrix instructions in place of one: products of numbers that were split in a high and a low part.

a b = a_high b_high + a_high b_low + a_low b_high, without the product of the low parts, which is less than float32's
rounding. Sums of DEPTH numbers of k are one chain from zero, small terms first; they are added in float32, rounded to
nearest, because matrix instructions cut off what they add, always towards zero.

f16x3: halves made in shared memory (operand.py), a k of 16 for an instruction. TF32x3: the high part is rounded to
TF32, a k of 8. A unit of four k's is one thread's share of an instruction's k of 16, or of two of 8: which k a lane's
words stand for is the same in both operands, and only that matters.
"""

from __future__ import annotations

import numpy as np

f32, u32 = np.float32, np.uint32


def chain(ops, half):
    """Return the function that makes part[0:4] the product of A's 16 rows with B's 8 in one stage.

    Of A: a[16], an instruction's four registers [k of 16][two units]; of B: b[8 j :], [k of 16][unit], `j` a constant.
    """
    multiply = f16x3(ops) if half else tf32x3(ops)

    @ops.inline
    def run(part, a, b, j):
        for i in range(4):
            part[i] = f32(0)
        multiply(part, a, b, 8 * j)

    return run


def f16x3(ops):
    """Return the chain of a stage whose units are high and low halves."""
    mma = ops.mma_f16

    @ops.inline
    def step(part, a, at, b, bt):
        r = mma(part[0], part[1], part[2], part[3], a[at], a[at + 1], a[at + 2], a[at + 3], b[bt], b[bt + 1])
        part[0], part[1], part[2], part[3] = r[0], r[1], r[2], r[3]

    @ops.inline
    def multiply(part, a, b, first):
        for s in range(2):
            step(part, a, 8 * s + 4, b, first + 4 * s)
            step(part, a, 8 * s, b, first + 4 * s + 2)
        for s in range(2):
            step(part, a, 8 * s, b, first + 4 * s)

    return multiply


def tf32_parts(ops):
    """Return the functions from a float32's bits to its high part, rounded to TF32, and to what is left.

    Of the high part the last 13 bits are not zeros; matrix instructions do not read them.
    """
    bits, number = ops.bits, ops.number

    @ops.inline
    def high(word):
        return u32(word + u32(0x1000))

    @ops.inline
    def low(word):
        return bits(number(word) - number(u32(high(word) & u32(0xFFFFE000))))

    return high, low


def tf32x3(ops):
    """Return the chain of a stage whose units are float32."""
    mma = ops.mma_tf32
    high, low = tf32_parts(ops)

    @ops.inline
    def step(part, a0, a1, a2, a3, b0, b1):
        r = mma(part[0], part[1], part[2], part[3], a0, a1, a2, a3, b0, b1)
        part[0], part[1], part[2], part[3] = r[0], r[1], r[2], r[3]

    @ops.inline
    def multiply(part, a, b, first):
        for s in range(4):
            a0, a1, a2, a3 = a[4 * s], a[4 * s + 1], a[4 * s + 2], a[4 * s + 3]
            b0, b1 = b[first + 2 * s], b[first + 2 * s + 1]
            step(part, low(a0), low(a1), low(a2), low(a3), high(b0), high(b1))
            step(part, high(a0), high(a1), high(a2), high(a3), low(b0), low(b1))
        for s in range(4):
            a0, a1, a2, a3 = a[4 * s], a[4 * s + 1], a[4 * s + 2], a[4 * s + 3]
            b0, b1 = b[first + 2 * s], b[first + 2 * s + 1]
            step(part, high(a0), high(a1), high(a2), high(a3), high(b0), high(b1))

    return multiply
