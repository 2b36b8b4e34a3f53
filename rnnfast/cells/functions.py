"""exp, tanh and the logistic function on numbers, as arithmetic that a compiler turns into vectors.

The reduction and the polynomials are those of csrc/vmath.h: x = n ln 2 + r with |r| <= ln(2) / 2, exp(x) = 2^n (1 + p),
p = exp(r) - 1. Clamps are written so that a NaN passes through.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload, register_jitable

F32, F64 = np.float32, np.float64
CONSTANTS: dict[str, tuple[Any, ...]] = {
    # log2(e), a number that rounds what it is added to and leaves the exponent's bias, ln 2 in two parts
    "float32": (F32(1.4426950408889634), F32(12583039.0), F32(0.693145751953125), F32(1.4286068203094172e-6)),
    "float64": (1.4426950408889634074, 6755399441056767.0, 0.693147180559890330187045, 5.497923018708371174712e-14),
}


@intrinsic
def bits_to_scale(typing_context, rounded):
    """2^n from a number whose low bits are n and the exponent's bias."""
    shift = 23 if rounded == types.float32 else 52

    def codegen(context, builder, signature, arguments):
        real = arguments[0].type
        integer = cgutils.ir.IntType(32 if shift == 23 else 64)
        shifted = builder.shl(builder.bitcast(arguments[0], integer), integer(shift))
        return builder.bitcast(shifted, real)

    return rounded(rounded), codegen


def polynomial(r: Any) -> Any:
    """(exp(r) - 1 - r) / r^2."""


@overload(polynomial)
def _polynomial(r):
    if r == types.float32:
        a0, a1, a2 = F32(0.50000000464699553), F32(0.16666666806831725), F32(0.041666354394580260)
        a3, a4, a5 = F32(0.0083332750989916), F32(0.0013941025300770), F32(0.00019913157943907)

        def single(r):
            s = r * r
            return ((a5 * r + a4) * s + (a3 * r + a2)) * s + (a1 * r + a0)

        return single
    b0, b1, b2, b3 = 0.49999999999999999986, 0.16666666666666676478, 0.041666666666666698428, 0.0083333333333217182342
    b4, b5, b6 = 0.0013888888888868459896, 0.00019841269885896314433, 2.4801587357317712041e-5
    b7, b8 = 2.7557244443786094422e-6, 2.7557245474935526997e-7
    b9, b10 = 2.5108955236089618993e-8, 2.0923629699413059678e-9

    def double(r):
        s = r * r
        q = b10 * s + (b9 * r + b8)
        q = q * s + (b7 * r + b6)
        q = q * s + (b5 * r + b4)
        q = q * s + (b3 * r + b2)
        return q * s + (b1 * r + b0)

    return double


def exp_parts(x: Any) -> Any:
    """n as `bits_to_scale` takes it, r, and exp(r) - 1 - r with what r lost to rounding."""


@overload(exp_parts)
def _exp_parts(x):
    log2e, rounder, high, low = CONSTANTS[str(x)]

    def function(x):
        rounded = x * log2e + rounder
        n = rounded - rounder
        near = x - n * high
        r = near - n * low
        return rounded, r, r * r * polynomial(r) + ((near - r) - n * low)

    return function


def logistic(x: Any) -> Any:
    """1 / (1 + exp(-x))."""


@overload(logistic)
def _logistic(x):
    real = F32 if x == types.float32 else F64
    one, lowest, highest = real(1), *map(real, (-87.0, 88.0) if x == types.float32 else (-708.0, 709.0))

    def function(x):
        z = -x
        z = highest if z > highest else z
        z = lowest if z < lowest else z
        rounded, r, tail = exp_parts(z)
        scale = bits_to_scale(rounded)
        total = scale + one
        return one / (total + (scale * (r + tail) + (one - (total - scale))))

    return function


def tanh(x: Any) -> Any:
    """The hyperbolic tangent: h - h^2 / (h + 1) = 1 - 1 / (h + 1) with h = (exp(2 |x|) - 1) / 2."""


@overload(tanh)
def _tanh(x):
    real = F32 if x == types.float32 else F64
    one, half, large, highest = real(1), real(0.5), real(0.55), real(10 if x == types.float32 else 20)

    def function(x):
        y = abs(x)
        y = highest if y > highest else y
        rounded, r, tail = exp_parts(y + y)
        scale = bits_to_scale(rounded) * half
        constant = scale - half
        total = scale * r + constant
        lost = scale * r + (constant - total)
        h = total + (scale * tail + lost)
        first = one if y > large else h
        return np.copysign(first - first * (first / (h + one)), x)

    return function


def number(value: float, like: Any) -> Any:
    """A constant of another number's type: a plain one would make a float32 expression float64."""


@overload(number)
def _number(value, like):
    return (lambda value, like: F32(value)) if like == types.float32 else (lambda value, like: F64(value))


@register_jitable
def logistic_slope(a: Any) -> Any:
    """The derivative of the logistic function, from its value."""
    return a - a * a


@register_jitable
def tanh_slope(a: Any) -> Any:
    """The derivative of tanh, from its value."""
    return number(1, a) - a * a
