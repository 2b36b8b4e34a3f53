"""Activations: functions of every number, or of every row of them, without parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rnnfast.backends.reference.cells import logistic
from rnnfast.checks.values import one_of
from rnnfast.nn import checks
from rnnfast.nn.softmax import LogSoftmax, softmax
from rnnfast.problem import Array

FUNCTIONS = ("tanh", "relu", "sigmoid", "softmax", "log_softmax")
"""What a weights file calls them."""


class Activation:
    """tanh, relu or sigmoid of every number of x (..., C), or softmax or log_softmax over its last axis.

    For inference, at the end of a model or between its parts. Raises ValueError for another name, TypeError for a dtype
    other than float32 and float64.

    >>> from rnnfast import nn
    >>> nn.Activation("relu")([[-1.0, 2.0]])
    array([[0., 2.]])
    """

    def __init__(self, function: str) -> None:
        one_of("function", function, FUNCTIONS)
        self.function = function
        self.parameters: dict[str, Array] = {}

    @property
    def options(self) -> dict[str, Any]:
        """Options that it was made with."""
        return {"function": self.function}

    def __call__(self, x: ArrayLike) -> Array:
        """Return y of x's shape."""
        x = checks.any_floats("x", x)
        if self.function == "softmax":
            return softmax(x)
        if self.function == "log_softmax":
            return LogSoftmax()(x)
        if self.function == "sigmoid":
            return np.asarray(logistic(x))
        return np.tanh(x) if self.function == "tanh" else np.maximum(x, 0)

    def __repr__(self) -> str:
        return f"Activation({self.function!r})"
