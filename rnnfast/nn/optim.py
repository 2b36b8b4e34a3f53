"""Optimisers: they change parameters in place, by name, from gradients with the same names."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from rnnfast.checks import positive, probability
from rnnfast.nn import checks
from rnnfast.problem import Array

BLOCK = 65536
"""Numbers updated together: parameter, gradient, moments and scratch of a block stay in cache over the passes."""


class Adam:
    """Adam (Kingma and Ba 2015) with PyTorch's update and defaults.

    parameters: name -> float32 or float64 array, C-contiguous, changed in place by `step`. `lr` may be changed between
    steps. `first` and `second` hold the moving averages of gradient and squared gradient, `steps` counts.
    Raises ValueError for names, shapes or settings that do not fit, TypeError for dtypes.
    """

    def __init__(
        self,
        parameters: Mapping[str, Array],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        checks.float_arrays("parameters", parameters)
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise ValueError(f"betas are {betas!r}, expected two numbers from 0 to below 1")
        first, second = (probability(f"betas[{k}]", beta) for k, beta in enumerate(betas))
        for name, parameter in parameters.items():
            if not (parameter.flags.c_contiguous and parameter.flags.writeable):
                raise ValueError(f"{name} must be a writeable C-contiguous array, to be changed in place")
        self.lr, self.betas, self.eps = positive("lr", lr), (first, second), positive("eps", eps)
        self.parameters = dict(parameters)
        self.first = {name: np.zeros_like(parameter) for name, parameter in self.parameters.items()}
        self.second = {name: np.zeros_like(parameter) for name, parameter in self.parameters.items()}
        self.steps = 0

    def step(self, grads: Mapping[str, Array]) -> None:
        """Update every parameter from its gradient."""
        checks.gradients(grads, self.parameters, "Adam")
        self.steps += 1
        for name, parameter in self.parameters.items():
            arrays = [a.reshape(-1) for a in (parameter, grads[name], self.first[name], self.second[name])]
            scratch = np.empty(min(BLOCK, parameter.size), parameter.dtype)
            for start in range(0, parameter.size, BLOCK):
                p, g, m, v = (a[start : start + BLOCK] for a in arrays)
                self._update(p, g, m, v, scratch[: p.size])

    def _update(self, p: Array, g: Array, m: Array, v: Array, scratch: Array) -> None:
        """p -= lr m' / (sqrt(v') + eps), m' and v' being m and v over one minus their beta to the number of steps."""
        beta1, beta2 = self.betas
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
