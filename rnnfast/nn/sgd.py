"""Stochastic gradient descent, with momentum or without."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rnnfast.checks.values import probability
from rnnfast.nn.optim import Optimizer
from rnnfast.problem import Array


class SGD(Optimizer):
    """v = momentum v + g, p -= lr v: Polyak's heavy ball (1964), as PyTorch writes it; options as `Optimizer`.

    `velocity` holds v by name, empty without momentum.

    >>> from rnnfast import nn
    >>> weights = {"w": np.ones(2)}
    >>> nn.SGD(weights, lr=0.5).step({"w": np.array([1.0, -1.0])})
    >>> weights["w"]
    array([0.5, 1.5])
    """

    settings = ("momentum", "weight_decay")

    def __init__(
        self, parameters: Mapping[str, Array], lr: float = 1e-2, *, momentum: float = 0.0, weight_decay: float = 0.0
    ) -> None:
        self.momentum = probability("momentum", momentum)
        super().__init__(parameters, lr, weight_decay, averages=("velocity",) if self.momentum else ())
        self.velocity = self._averages.get("velocity", {})

    def _update(self, p: Array, g: Array, scratch: Array, averages: list[Array]) -> None:
        for v in averages:
            v *= self.momentum
            v += g
            g = v
        np.multiply(g, self.lr, out=scratch)
        p -= scratch
