"""Log-softmax: logits to the logarithms of probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rnnfast.checks.arrays import check_shape
from rnnfast.nn import checks
from rnnfast.nn.record import Gradients, Tape
from rnnfast.problem import Array


class LogSoftmax:
    """y = x - log(sum(exp(x))) over the last axis, for x (..., C) float32 or float64.

    It has no `parameters`. For training, `cross_entropy` takes logits directly; it gives the same loss for y, since the
    log-softmax of y is y. Raises TypeError for another dtype, ValueError where there is no class.
    """

    def __init__(self) -> None:
        self.parameters: dict[str, Array] = {}

    def __call__(self, x: ArrayLike) -> Array:
        """Return y (..., C), finite for logits of any size."""
        x = checks.any_floats("x", x)
        if x.ndim == 0 or x.shape[-1] == 0:
            raise ValueError(f"x has shape {x.shape}, expected (..., C) with at least one class")
        y: Array = x - x.max(axis=-1, keepdims=True)
        y -= np.log(np.exp(y).sum(axis=-1, keepdims=True))
        return y

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
