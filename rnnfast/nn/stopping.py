"""Early stopping: end training when the loss no longer falls, and go back to the best weights."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rnnfast.checks.values import not_negative, whole
from rnnfast.nn import checks
from rnnfast.problem import Array


class Best:
    """The lowest loss so far, and how many epochs since have not improved on it by more than `min_delta`."""

    def __init__(self, min_delta: float) -> None:
        self.min_delta = not_negative("min_delta", min_delta)
        self.loss, self.waited = math.inf, 0

    def improved_by(self, loss: float) -> bool:
        """Take the loss of one more epoch, and say whether it improves; NaN does not."""
        improved = loss < self.loss - self.min_delta
        self.loss, self.waited = (loss, 0) if improved else (self.loss, self.waited + 1)
        return improved


class EarlyStopping:
    """Keeps a copy of the weights that had the lowest loss, and asks to stop after `patience` epochs without a lower.

    parameters: name -> array, live; `step` after every epoch. An epoch improves if its loss is below the best so far
    by more than `min_delta`. `best_loss` and `best_epoch` (from 1; 0: none yet) say what is kept: at first the
    parameters as they are now, which is what is restored where every loss was NaN.
    Raises ValueError and TypeError for settings that do not fit.
    """

    def __init__(self, parameters: Mapping[str, Array], patience: int = 10, *, min_delta: float = 0.0) -> None:
        checks.float_arrays("parameters", parameters)
        self.patience, self._best = whole("patience", patience), Best(min_delta)
        self._parameters = dict(parameters)
        self._kept = {name: array.copy() for name, array in self._parameters.items()}
        self.epochs = self.best_epoch = 0

    @property
    def best_loss(self) -> float:
        """The loss of `best_epoch`; infinite before there is one."""
        return self._best.loss

    def step(self, loss: float) -> bool:
        """Take the loss of one more epoch, keep the weights if it improves, and say whether to stop."""
        self.epochs += 1
        if self._best.improved_by(loss):
            self.best_epoch = self.epochs
            for name, array in self._parameters.items():
                self._kept[name][...] = array
        return self._best.waited >= self.patience

    def restore(self) -> None:
        """Copy the best weights back into the parameters."""
        for name, array in self._parameters.items():
            array[...] = self._kept[name]
