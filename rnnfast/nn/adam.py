"""Adam and AdamW: steps scaled by moving averages of the gradient and of its square."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from rnnfast.checks.values import positive, probability
from rnnfast.nn.optim import Optimizer
from rnnfast.problem import Array


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015) with PyTorch's update and defaults; options as `Optimizer`.

    `first` and `second` hold the moving averages of gradient and squared gradient by name.

    >>> from rnnfast import nn
    >>> weights = {"w": np.ones(2)}
    >>> nn.Adam(weights, lr=0.1).step({"w": np.array([1.0, -3.0])})
    >>> weights["w"].round(3)
    array([0.9, 1.1])
    """

    settings = ("betas", "eps", "weight_decay")

    def __init__(
        self,
        parameters: Mapping[str, Array],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay, averages=("first", "second"))
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise ValueError(f"betas are {betas!r}, expected two numbers from 0 to below 1")
        first, second = (probability(f"betas[{k}]", beta) for k, beta in enumerate(betas))
        self.betas, self.eps = (first, second), positive("eps", eps)
        self.first, self.second = self._averages.values()

    def _update(self, p: Array, g: Array, scratch: Array, averages: list[Array]) -> None:
        """p -= lr m' / (sqrt(v') + eps), m' and v' being m and v over one minus their beta to the number of steps."""
        (beta1, beta2), (m, v) = self.betas, averages
        root_correction = math.sqrt(1 - beta2**self.steps)
        np.subtract(g, m, out=scratch)
        scratch *= 1 - beta1
        m += scratch
        np.multiply(g, g, out=scratch)
        scratch *= 1 - beta2
        v *= beta2
        v += scratch
        np.sqrt(v, out=scratch)
        scratch += self.eps * root_correction
        np.divide(m, scratch, out=scratch)
        scratch *= self.lr * root_correction / (1 - beta1**self.steps)
        p -= scratch


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019): p is first multiplied by 1 - lr weight_decay.

    >>> from rnnfast import nn
    >>> weights = {"w": np.ones(2)}
    >>> nn.AdamW(weights, lr=0.1, weight_decay=0.5).step({"w": np.array([1.0, -3.0])})
    >>> weights["w"].round(3)
    array([0.85, 1.05])
    """

    decoupled: ClassVar[bool] = True

    def __init__(
        self,
        parameters: Mapping[str, Array],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(parameters, lr, betas=betas, eps=eps, weight_decay=weight_decay)
