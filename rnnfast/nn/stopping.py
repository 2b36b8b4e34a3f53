"""Early stopping: end training when the loss no longer falls, and go back to the best weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from rnnfast.checks.values import not_negative, whole
from rnnfast.nn import checks
from rnnfast.nn.borrowed import Borrowed
from rnnfast.nn.state import Checks, Stateful, count, number
from rnnfast.problem import Array


class Judge(Stateful):
    """The base of what waits for a lower loss.

    `best_loss` is the lowest so far, infinite before there is one, and `waited` how many epochs since have not improved
    on it by more than `min_delta`.
    """

    numbers: ClassVar[Checks] = {"best_loss": number, "waited": count}

    def __init__(self, patience: int, min_delta: float) -> None:
        self.patience, self.min_delta = whole("patience", patience), not_negative("min_delta", min_delta)
        self.best_loss, self.waited = math.inf, 0

    def _improves(self, loss: float) -> bool:
        """Take the loss of one more epoch, and say whether it improves; NaN does not."""
        improved = loss < self.best_loss - self.min_delta
        self.best_loss, self.waited = (loss, 0) if improved else (self.best_loss, self.waited + 1)
        return improved


class EarlyStopping(Judge):
    """Keeps a copy of the weights that had the lowest loss, and asks to stop after `patience` epochs without a lower.

    parameters: name -> array, live; `step` after every epoch. An epoch improves if its loss is below the best so far
    by more than `min_delta`. `best_loss` and `best_epoch` (from 1; 0: none yet) say what is kept: at first the
    parameters as they are now, which is what is restored where every loss was NaN. `state_dict` holds the weights that
    are kept, too; of copies and pickles holds what `Optimizer` says.
    Raises ValueError and TypeError for settings that do not fit.

    >>> from rnnfast import nn
    >>> weights = {"w": np.zeros(1)}
    >>> stopping = nn.EarlyStopping(weights, patience=1)
    >>> stopping.step(0.5)
    False
    >>> weights["w"][0] = 9
    >>> stopping.step(0.7)
    True
    >>> stopping.restore()
    >>> weights["w"]
    array([0.])
    """

    settings = ("patience", "min_delta")
    numbers: ClassVar[Checks] = {**Judge.numbers, "epochs": count, "best_epoch": count}

    def __init__(self, parameters: Mapping[str, Array], patience: int = 10, *, min_delta: float = 0.0) -> None:
        checks.float_arrays("parameters", parameters)
        super().__init__(patience, min_delta)
        self._parameters = Borrowed(parameters, type(self).__name__)
        self._kept = {name: array.copy() for name, array in parameters.items()}
        self.epochs = self.best_epoch = 0

    def step(self, loss: float) -> bool:
        """Take the loss of one more epoch, keep the weights if it improves, and say whether to stop."""
        parameters = self._parameters.live()
        self.epochs += 1
        if self._improves(loss):
            self.best_epoch = self.epochs
            for name, array in parameters.items():
                self._kept[name][...] = array
        return self.waited >= self.patience

    def restore(self) -> None:
        """Copy the best weights back into the parameters."""
        for name, array in self._parameters.live().items():
            array[...] = self._kept[name]

    def _state_arrays(self) -> dict[str, Array]:
        return {f"kept.{name}": array for name, array in self._kept.items()}
