"""Softmax and log-softmax: logits to probabilities and to their logarithms."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rnnfast.checks.arrays import check_shape
from rnnfast.nn import checks
from rnnfast.nn.record import Gradients, Tape
from rnnfast.problem import Array


def softmax(x: ArrayLike) -> Array:
    """Return exp(x) / sum(exp(x)) over the last axis, for x (..., C) as `LogSoftmax` takes it.

    >>> softmax([[0.0, 0.0], [-1e9, 1e9]])
    array([[0.5, 0.5],
           [0. , 1. ]])
    """
    x = _logits(x)
    y = np.exp(_below_largest(x))
    y /= y.sum(axis=-1, keepdims=True)
    return y.astype(x.dtype, copy=False)


class LogSoftmax:
    """y = x - log(sum(exp(x))) over the last axis, for x (..., C) float32 or float64.

    It has no `parameters`. For training, `cross_entropy` takes logits directly; it gives the same loss for y, since the
    log-softmax of y is y. Raises TypeError for another dtype, ValueError where there is no class.

    >>> from rnnfast import nn
    >>> nn.LogSoftmax()(np.zeros(2)).round(4)
    array([-0.6931, -0.6931])
    """

    def __init__(self) -> None:
        self.parameters: dict[str, Array] = {}

    def __call__(self, x: ArrayLike) -> Array:
        """Return y (..., C), finite for logits of any size."""
        x = _logits(x)
        y = _below_largest(x)
        others, largest = np.exp(y), x.argmax(axis=-1, keepdims=True)
        # The largest, a 1, is left out of the sum: what is small would be lost in it, and with that log p near p = 1.
        np.put_along_axis(others, largest, np.take_along_axis(y, largest, axis=-1), axis=-1)  # 0, or NaN
        y -= np.log1p(others.sum(axis=-1, keepdims=True))
        return y.astype(x.dtype, copy=False)

    def record(self, x: ArrayLike) -> tuple[Array, LogSoftmaxTape]:
        """Return y and the tape for its backward, which refers to y: leave it until then."""
        y = self(x)
        return y, LogSoftmaxTape(y)


class LogSoftmaxTape(Tape):
    """One recorded call of a `LogSoftmax`."""

    def __init__(self, y: Array) -> None:
        self._y = y

    def backward(self, dy: ArrayLike) -> Gradients:
        """The gradient of x for dy (..., C): dy - softmax(x) sum(dy)."""
        dy = checks.floats_as("dy", dy, "x", self._y.dtype)
        check_shape("dy", dy, self._y.shape)
        self._spend()
        return Gradients(dy - np.exp(self._y) * dy.sum(axis=-1, keepdims=True), {})


def _logits(x: ArrayLike) -> Array:
    x = checks.any_floats("x", x)
    if x.ndim == 0 or x.shape[-1] == 0:
        raise ValueError(f"x has shape {x.shape}, expected (..., C) with at least one class")
    return x


def _below_largest(x: Array) -> Array:
    """Return x less its row's largest, in float64: exp multiplies what float32 would round away."""
    wide = x.astype(np.float64, copy=False)
    with np.errstate(invalid="ignore"):  # infinite logits have NaN for their probabilities
        below: Array = wide - wide.max(axis=-1, keepdims=True)
    return below
