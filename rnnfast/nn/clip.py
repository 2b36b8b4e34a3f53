"""Gradient clipping: by the norm of all gradients together, or number by number."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from rnnfast.checks import positive
from rnnfast.nn import checks
from rnnfast.problem import Array


def grad_norm(grads: Mapping[str, Array]) -> float:
    """Euclidean norm of all gradients, float32 or float64 arrays, taken as one vector, summed in float64."""
    checks.float_arrays("grads", grads)
    return math.sqrt(sum(float(np.einsum("i,i->", g, g, dtype=np.float64)) for g in map(np.ravel, grads.values())))


def clip_grad_norm(grads: Mapping[str, Array], max_norm: float) -> float:
    """Scale the gradients in place so that their norm is at most `max_norm`; return the norm they had.

    A norm that is not finite makes the gradients NaN, which reach every parameter: check the returned norm where
    that can happen. Raises ValueError unless max_norm is finite and above 0 and every gradient can be written.
    """
    max_norm = positive("max_norm", max_norm)
    norm = grad_norm(grads)
    _check_writeable(grads)
    if not norm <= max_norm:
        for grad in grads.values():
            grad *= max_norm / norm
    return norm


def clip_grad_value(grads: Mapping[str, Array], max_value: float) -> None:
    """Move every number of the gradients that lies outside ±`max_value` to the nearer end, in place; NaN stays NaN.

    Raises ValueError unless max_value is finite and above 0 and every gradient can be written.
    """
    max_value = positive("max_value", max_value)
    checks.float_arrays("grads", grads)
    _check_writeable(grads)
    for grad in grads.values():
        np.clip(grad, -max_value, max_value, out=grad)


def _check_writeable(grads: Mapping[str, Array]) -> None:
    for name, grad in grads.items():
        if not grad.flags.writeable:
            raise ValueError(f"grads[{name!r}] is read-only, expected an array to be changed in place: pass a copy")
