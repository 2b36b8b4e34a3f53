"""Logistic function and tanh by the approximate instructions for 2^x and 1/x, without branches."""

from __future__ import annotations

from typing import Any

import numpy as np

f32 = np.float32
ONE, TWO = f32(1), f32(2)
LOG2_E = f32(1.442695041)
SMALL = f32(0.55)
"""Below it tanh is a polynomial: 1 - 2 / (1 + e^2x) would lose digits there."""
T3, T5, T7, T9 = f32(-0.33332957), f32(0.13320941), f32(-0.052684116), f32(0.016458713)
"""tanh x = x + T3 x^3 + T5 x^5 + T7 x^7 + T9 x^9, least squares of the relative error for |x| < SMALL."""


def logistic(ops: Any) -> Any:
    """Return the logistic function, with an error of at most 1e-7."""
    exp2, reciprocal = ops.exp2, ops.reciprocal

    def logistic(x):
        return reciprocal(ONE + exp2(x * -LOG2_E))

    return ops.inline(logistic)


def tanh(ops: Any) -> Any:
    """Return tanh, with an error of at most 2 ULP."""
    exp2, reciprocal, absolute, copysign = ops.exp2, ops.reciprocal, ops.absolute, ops.copysign

    def tanh(x):
        size, square = absolute(x), x * x
        large = ONE - TWO * reciprocal(ONE + exp2(size * (TWO * LOG2_E)))
        small = (((T9 * square + T7) * square + T5) * square + T3) * (square * x) + x
        return small if size < SMALL else copysign(large, x)

    return ops.inline(tanh)
