"""exp on numbers, as arithmetic that a compiler turns into vectors.

The reduction and the polynomials are those of csrc/vec/vmath.h: x = n ln 2 + r with |r| <= ln(2) / 2 and exp(x) = 2^n
(1 + p), p = exp(r) - 1. All of it runs as plain Python, too, on NumPy's numbers: where a type decides, the Python
body of a function says the same as what is compiled in its place.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload, register_jitable

F32, F64 = np.float32, np.float64


class Constants(NamedTuple):
    """Constants of a number type."""

    log2e: Any
    rounder: Any
    """Rounds what it is added to to a whole number, and leaves the exponent's bias beside it."""
    ln2: Any
    ln2_rest: Any
    lowest: Any
    highest: Any
    """Between these exp is neither subnormal nor infinite."""
    one_from: Any
    """tanh is one from here on."""


SINGLE = Constants(
    *map(F32, (1.4426950408889634, 12583039.0, 0.693145751953125, 1.4286068203094172e-6, -87.0, 88.0, 10.0))
)
DOUBLE = Constants(
    *map(F64, (1.4426950408889634074, 6755399441056767.0, 0.693147180559890330187045, 5.497923018708371174712e-14)),
    *map(F64, (-708.0, 709.0, 20.0)),
)


def constants(x: Any) -> Constants:
    """Return the constants of the type of x."""
    return SINGLE if isinstance(x, F32) else DOUBLE


@overload(constants)
def _constants(x):
    values = tuple(SINGLE if x == types.float32 else DOUBLE)
    return lambda x: values


def number(value: float, like: Any) -> Any:
    """A constant of another number's type: a plain one would make a float32 expression float64."""
    return (F32 if isinstance(like, F32) else F64)(value)


@overload(number)
def _number(value, like):
    return (lambda value, like: F32(value)) if like == types.float32 else (lambda value, like: F64(value))


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


def scale(rounded: Any) -> Any:
    """Return 2^n, n as `exp_parts` returns it."""
    integer, shift = (np.uint32, 23) if isinstance(rounded, F32) else (np.uint64, 52)
    return (np.asarray(rounded).view(integer) << integer(shift)).view(type(rounded))[()]


@overload(scale)
def _scale(rounded):
    return lambda rounded: bits_to_scale(rounded)


@register_jitable
def single_polynomial(r: Any) -> Any:
    """(exp(r) - 1 - r) / r^2 in float32."""
    a0, a1, a2 = F32(0.50000000464699553), F32(0.16666666806831725), F32(0.041666354394580260)
    a3, a4, a5 = F32(0.0083332750989916), F32(0.0013941025300770), F32(0.00019913157943907)
    s = r * r
    return ((a5 * r + a4) * s + (a3 * r + a2)) * s + (a1 * r + a0)


@register_jitable
def double_polynomial(r: Any) -> Any:
    """(exp(r) - 1 - r) / r^2 in float64."""
    b0, b1, b2, b3 = 0.49999999999999999986, 0.16666666666666676478, 0.041666666666666698428, 0.0083333333333217182342
    b4, b5, b6 = 0.0013888888888868459896, 0.00019841269885896314433, 2.4801587357317712041e-5
    b7, b8 = 2.7557244443786094422e-6, 2.7557245474935526997e-7
    b9, b10 = 2.5108955236089618993e-8, 2.0923629699413059678e-9
    s = r * r
    q = b10 * s + (b9 * r + b8)
    q = q * s + (b7 * r + b6)
    q = q * s + (b5 * r + b4)
    q = q * s + (b3 * r + b2)
    return q * s + (b1 * r + b0)


def polynomial(r: Any) -> Any:
    """(exp(r) - 1 - r) / r^2."""
    return single_polynomial(r) if isinstance(r, F32) else double_polynomial(r)


@overload(polynomial)
def _polynomial(r):
    return (lambda r: single_polynomial(r)) if r == types.float32 else (lambda r: double_polynomial(r))


@register_jitable
def exp_parts(x: Any) -> Any:
    """n as `scale` takes it, r, and exp(r) - 1 - r with what r lost to rounding."""
    log2e, rounder, ln2, ln2_rest, _, _, _ = constants(x)
    rounded = x * log2e + rounder
    n = rounded - rounder
    near = x - n * ln2
    r = near - n * ln2_rest
    return rounded, r, r * r * polynomial(r) + ((near - r) - n * ln2_rest)
