"""tanh, the logistic function and their slopes on numbers: compiled, or as plain Python (see exp.py).

Clamps are written so that a NaN passes through.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.extending import overload, register_jitable

from rnnfast.backends.scalar.exp import constants, exp_parts, number, scale


def signed(value: Any, x: Any) -> Any:
    """|value| with the sign of x."""
    return np.copysign(value, x)


@overload(signed)
def _signed(value, x):
    return lambda value, x: math.copysign(value, x)


@register_jitable
def logistic(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    _, _, _, _, lowest, highest, _ = constants(x)
    one, z = number(1, x), -x
    z = highest if z > highest else z
    z = lowest if z < lowest else z
    rounded, r, tail = exp_parts(z)
    power = scale(rounded)
    total = power + one
    return one / (total + (power * (r + tail) + (one - (total - power))))


@register_jitable
def tanh(x: Any) -> Any:
    """The hyperbolic tangent: h - h^2 / (h + 1) = 1 - 1 / (h + 1) with h = (exp(2 |x|) - 1) / 2."""
    _, _, _, _, _, _, one_from = constants(x)
    one, half, y = number(1, x), number(0.5, x), abs(x)
    y = one_from if y > one_from else y
    rounded, r, tail = exp_parts(y + y)
    power = scale(rounded) * half
    constant = power - half
    total = power * r + constant
    lost = power * r + (constant - total)
    h = total + (power * tail + lost)
    first = one if y > number(0.55, x) else h
    return signed(first - first * (first / (h + one)), x)


@register_jitable
def logistic_slope(a: Any) -> Any:
    """Return the derivative of the logistic function, from its value."""
    return a - a * a


@register_jitable
def tanh_slope(a: Any) -> Any:
    """The derivative of tanh, from its value."""
    return number(1, a) - a * a
