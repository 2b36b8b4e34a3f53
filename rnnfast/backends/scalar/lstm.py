"""The LSTM's formulas on numbers: c' = f c + i g, h' = o tanh(c') (Gers, Schmidhuber and Cummins 2000)."""

from __future__ import annotations

from typing import Any

from numba.extending import register_jitable

from rnnfast.backends.scalar.functions import logistic, logistic_slope, tanh, tanh_slope


@register_jitable
def gate(a: Any) -> Any:
    """i, f or o."""
    return logistic(a)


@register_jitable
def candidate(a: Any) -> Any:
    """g."""
    return tanh(a)


@register_jitable
def cell(i: Any, f: Any, g: Any, c: Any) -> Any:
    """c' from the gates and c."""
    return f * c + i * g


@register_jitable
def output(o: Any, c: Any) -> Any:
    """h' from its gate and c'."""
    return o * tanh(c)


@register_jitable
def cell_gradient(o: Any, tanh_c: Any, dh: Any, dc: Any) -> Any:
    """dL/dc' with what comes through h'."""
    return dh * o * tanh_slope(tanh_c) + dc


@register_jitable
def backward(i: Any, f: Any, g: Any, o: Any, c: Any, c_next: Any, dh: Any, dc: Any) -> Any:
    """dL by the pre-activations of i, f, g, o, and by c."""
    tanh_c = tanh(c_next)
    dc = cell_gradient(o, tanh_c, dh, dc)
    return (
        dc * g * logistic_slope(i),
        dc * c * logistic_slope(f),
        dc * i * tanh_slope(g),
        dh * tanh_c * logistic_slope(o),
        dc * f,
    )
