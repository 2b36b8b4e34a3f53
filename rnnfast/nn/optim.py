"""The base of every optimiser: changes parameters in place, by name, from gradients with the same names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from rnnfast.checks.overlap import check_all_apart
from rnnfast.checks.values import not_negative, positive
from rnnfast.nn import checks
from rnnfast.nn.borrowed import Borrowed
from rnnfast.nn.state import Checks, Stateful, count
from rnnfast.problem import Array

BLOCK = 65536
"""Numbers updated together: parameter, gradient, averages and scratch of a block stay in cache over the passes."""


class Optimizer(Stateful, ABC):
    """The base of `SGD`, `Adam` and `AdamW`.

    parameters: name -> float32 or float64 array, C-contiguous, changed in place by `step` and never replaced. `lr` may
    be changed between steps, as schedules do; `steps` counts. `weight_decay` times a parameter is added to its
    gradient, the gradient of an L2 penalty of half of that times the sum of squares, or, decoupled from the gradient
    (`AdamW`), lr times that is taken from the parameter.

    `state_dict` and `load_state_dict` carry `lr`, `steps` and all averages to an optimiser of the same kind, settings
    and names. A copy or pickle changes the parameters that were copied with it, in one deepcopy or pickle of net and
    optimiser; without them its `step` raises RuntimeError.
    Raises ValueError for names, shapes or settings that do not fit, TypeError for kinds and dtypes.

    >>> from rnnfast.nn import Adam
    >>> weights = {"w": np.ones(2)}
    >>> adam = Adam(weights, lr=0.1)
    >>> adam.step({"w": np.array([1.0, -1.0])})
    >>> again = Adam(weights, lr=0.5)
    >>> again.load_state_dict(adam.state_dict())
    >>> again.lr, again.steps
    (0.1, 1)
    """

    decoupled: ClassVar[bool] = False
    numbers: ClassVar[Checks] = {"steps": count, "lr": not_negative}

    def __init__(
        self, parameters: Mapping[str, Array], lr: float, weight_decay: float, *, averages: tuple[str, ...]
    ) -> None:
        checks.float_arrays("parameters", parameters)
        for name, parameter in parameters.items():
            if not parameter.flags.writeable:
                raise ValueError(
                    f"{name} is read-only, as a frozen net's parameters are, and would be changed in place: leave out "
                    "what such a part has, or put the module in its place that it was frozen from"
                )
            if not parameter.flags.c_contiguous:
                raise ValueError(f"{name} must be a C-contiguous array, to be changed in place")
        check_all_apart(parameters, list(parameters.values()), {})
        self.lr, self.weight_decay = positive("lr", lr), not_negative("weight_decay", weight_decay)
        self.parameters, self.steps = Borrowed(parameters, type(self).__name__), 0
        self._averages = {kind: {name: np.zeros_like(p) for name, p in parameters.items()} for kind in averages}

    @property
    def lr(self) -> float:
        """The learning rate. Raises ValueError where it is set to what is no finite number from 0 on."""
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        self._lr = not_negative("lr", value)

    def step(self, grads: Mapping[str, Array]) -> None:
        """Update every parameter from its gradient, which is only read."""
        parameters, averages = self.parameters.live(), self._averages.values()
        grads = checks.gradients(grads, parameters)
        self.steps += 1
        for name, parameter in parameters.items():
            arrays = [a.reshape(-1) for a in (parameter, grads[name], *(kept[name] for kept in averages))]
            scratch, penalised = np.empty((2, min(BLOCK, parameter.size)), parameter.dtype)
            for start in range(0, parameter.size, BLOCK):
                p, g, *kept = (a[start : start + BLOCK] for a in arrays)
                self._update(p, self._decayed(p, g, penalised[: p.size]), scratch[: p.size], kept)

    def _state_arrays(self) -> dict[str, Array]:
        return {f"{kind}.{name}": array for kind, kept in self._averages.items() for name, array in kept.items()}

    def _decayed(self, p: Array, g: Array, penalised: Array) -> Array:
        """The gradient to follow, written to `penalised` where it is not g; p itself decays where decoupled."""
        if not self.weight_decay:
            return g
        if self.decoupled:
            p *= 1 - self.lr * self.weight_decay
            return g
        np.multiply(p, self.weight_decay, out=penalised)
        penalised += g
        return penalised

    @abstractmethod
    def _update(self, p: Array, g: Array, scratch: Array, averages: list[Array]) -> None:
        """Change p and its averages, all of one block. g may be the caller's own and is only read."""
