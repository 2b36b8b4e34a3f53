"""Learning-rate schedules: they set an optimiser's `lr` at the end of every epoch."""

from __future__ import annotations

import math
from typing import Protocol

from rnnfast.checks.values import fraction, not_negative, whole
from rnnfast.nn.optim import Optimizer
from rnnfast.nn.stopping import Best


class Schedule(Protocol):
    """What `fit` asks of a schedule."""

    def step(self, loss: float) -> None:
        """Set the rate after an epoch with this loss."""


class StepLR:
    """lr = the rate it began with times factor**(epochs done // every)."""

    def __init__(self, optimizer: Optimizer, every: int, factor: float = 0.1) -> None:
        self.every, self.factor = whole("every", every), fraction("factor", factor)
        self._optimizer, self._first, self._epochs = optimizer, optimizer.lr, 0

    def step(self, loss: float | None = None) -> None:
        """Set the rate after an epoch; the loss does not matter."""
        self._epochs += 1
        self._optimizer.lr = self._first * self.factor ** (self._epochs // self.every)


class CosineLR:
    """lr falls from the rate it began with to `lowest` along half a cosine in so many epochs, and stays there.

    Loshchilov and Hutter 2017, without restarts.
    """

    def __init__(self, optimizer: Optimizer, epochs: int, lowest: float = 0.0) -> None:
        self.epochs, self.lowest = whole("epochs", epochs), not_negative("lowest", lowest)
        self._optimizer, self._first, self._done = optimizer, optimizer.lr, 0

    def step(self, loss: float | None = None) -> None:
        """Set the rate after an epoch; the loss does not matter."""
        self._done = min(self._done + 1, self.epochs)
        height = (1 + math.cos(math.pi * self._done / self.epochs)) / 2
        self._optimizer.lr = self.lowest + (self._first - self.lowest) * height


class PlateauLR:
    """lr is multiplied by `factor`, never below `lowest`, after `patience` epochs in a row that did not improve.

    An epoch improves if its loss is below the best so far by more than `min_delta`, as in `EarlyStopping`. (PyTorch's
    patience is one less: the epochs that are still allowed.)
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 0.1,
        *,
        patience: int = 10,
        min_delta: float = 0.0,
        lowest: float = 0.0,
    ) -> None:
        self.factor, self.patience = fraction("factor", factor), whole("patience", patience)
        self.lowest = not_negative("lowest", lowest)
        self._optimizer, self._best = optimizer, Best(min_delta)

    def step(self, loss: float) -> None:
        """Set the rate after an epoch with this loss; NaN does not improve."""
        if not self._best.improved_by(loss) and self._best.waited == self.patience:
            self._best.waited = 0
            self._optimizer.lr = min(self._optimizer.lr, max(self._optimizer.lr * self.factor, self.lowest))
