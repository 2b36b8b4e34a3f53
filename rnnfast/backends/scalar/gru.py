"""The GRU's formulas on numbers, h' = (1 - z) n + z h, in parts that both of its forms are made of (Cho et al. 2014).

Reset gate after the recurrent product: n = tanh(a + r q), q = W_hn h + b_hn. Before it: n = tanh(a), W_hn (r h) in a.
"""

from __future__ import annotations

from typing import Any

from numba.extending import register_jitable

from rnnfast.backends.scalar.exp import number
from rnnfast.backends.scalar.functions import logistic, logistic_slope, tanh, tanh_slope


@register_jitable
def gate(a: Any) -> Any:
    """r or z."""
    return logistic(a)


@register_jitable
def update(a: Any, z: Any, h: Any) -> Any:
    """n and h' from n's pre-activation."""
    n = tanh(a)
    return n, z * (h - n) + n


@register_jitable
def update_backward(n: Any, z: Any, h: Any, dh: Any) -> Any:
    """dL by the pre-activations of n and z, and by h."""
    return dh * (number(1, z) - z) * tanh_slope(n), dh * (h - n) * logistic_slope(z), dh * z


@register_jitable
def reset_backward(r: Any, factor: Any, d_product: Any) -> Any:
    """dL by the pre-activation of r, which multiplies `factor`, and by that."""
    return d_product * factor * logistic_slope(r), d_product * r
