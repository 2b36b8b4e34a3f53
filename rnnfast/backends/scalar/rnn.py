"""The Elman cell's formulas on numbers: h' = f(a), f = tanh, max(., 0) or the identity (Elman 1990)."""

from __future__ import annotations

from typing import Any

from numba.extending import register_jitable

from rnnfast.backends.scalar.exp import number
from rnnfast.backends.scalar.functions import tanh, tanh_slope


@register_jitable
def tanh_forward(a: Any) -> Any:
    """h'."""
    return tanh(a)


@register_jitable
def tanh_backward(h: Any, dh: Any) -> Any:
    """dL/da from h' and dL/dh'."""
    return dh * tanh_slope(h)


@register_jitable
def relu_forward(a: Any) -> Any:
    """h'. A NaN stays one."""
    return number(0, a) if a < 0 else a


@register_jitable
def relu_backward(h: Any, dh: Any) -> Any:
    """dL/da from h' and dL/dh': 0 at 0, a NaN where h' is one."""
    return dh if h > 0 else h * dh


@register_jitable
def linear_forward(a: Any) -> Any:
    """h'."""
    return a


@register_jitable
def linear_backward(h: Any, dh: Any) -> Any:
    """dL/da from h' and dL/dh'."""
    return dh
