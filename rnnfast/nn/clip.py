"""Gradient clipping: by the norm of all gradients together, or number by number."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from rnnfast.checks.overlap import check_all_apart
from rnnfast.checks.values import positive
from rnnfast.nn import checks
from rnnfast.problem import Array

SMALLEST = 1e-280
"""A sum of squares from which on none that matters was lost to underflow."""


def grad_norm(grads: Mapping[str, Array]) -> float:
    """Return the Euclidean norm of all gradients, float32 or float64 arrays, taken as one vector, summed in float64.

    >>> from rnnfast import nn
    >>> nn.grad_norm({"w": np.array([3.0]), "b": np.array([4.0])})
    5.0
    """
    checks.float_arrays("grads", grads)
    squares = _squares(grads, 1.0)
    if SMALLEST < squares < math.inf:
        return math.sqrt(squares)
    with np.errstate(all="ignore"):  # squares beyond float64, or below it: of numbers of about 1 instead
        largest = float(np.max([np.abs(grad).max(initial=0) for grad in grads.values()], initial=0))  # NaN if any is
        return largest * math.sqrt(_squares(grads, largest)) if 0 < largest < math.inf else largest


def _squares(grads: Mapping[str, Array], scale: float) -> float:
    """Their sum, each number divided by `scale` first."""
    flat = (np.ravel(grad) if scale == 1 else np.ravel(grad) / np.float64(scale) for grad in grads.values())
    return sum(float(np.einsum("i,i->", grad, grad, dtype=np.float64)) for grad in flat)


def clip_grad_norm(grads: Mapping[str, Array], max_norm: float) -> float:
    """Scale the gradients in place so that their norm is at most `max_norm`; return the norm they had.

    A norm that is not finite makes all gradients NaN, which reach every parameter: check the returned norm where
    that can happen. Raises ValueError unless max_norm is finite and above 0 and every gradient can be written, and
    where two share memory: what one array holds would be counted and scaled once for each of its names.

    >>> from rnnfast import nn
    >>> grads = {"w": np.array([3.0, 4.0])}
    >>> nn.clip_grad_norm(grads, 1.0)
    5.0
    >>> grads["w"].round(3)
    array([0.6, 0.8])
    """
    max_norm = positive("max_norm", max_norm)
    norm = grad_norm(grads)
    _check_writeable(grads)
    check_all_apart([f"grads[{name!r}]" for name in grads], list(grads.values()), {})
    if not norm <= max_norm:
        for grad in grads.values():
            grad *= max_norm / norm if math.isfinite(norm) else math.nan
    return norm


def clip_grad_value(grads: Mapping[str, Array], max_value: float) -> None:
    """Move every number of the gradients that lies outside ±`max_value` to the nearer end, in place; NaN stays NaN.

    Raises ValueError unless max_value is finite and above 0 and every gradient can be written.

    >>> from rnnfast import nn
    >>> grads = {"w": np.array([3.0, -0.5])}
    >>> nn.clip_grad_value(grads, 1.0)
    >>> grads["w"]
    array([ 1. , -0.5])
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
