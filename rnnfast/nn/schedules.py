"""Learning-rate schedules: they set an optimiser's `lr` at the end of every epoch."""

from __future__ import annotations

import math
from typing import ClassVar, Protocol

from rnnfast.checks.values import fraction, not_negative, whole
from rnnfast.nn.optim import Optimizer
from rnnfast.nn.state import Checks, Stateful, count
from rnnfast.nn.stopping import Judge


class Schedule(Protocol):
    """Protocol of a schedule in `fit`. One that has an attribute `optimizer` serves that optimiser alone.

    >>> from rnnfast import nn
    >>> class Halving:
    ...     def __init__(self, optimizer: nn.Optimizer) -> None:
    ...         self.optimizer = optimizer
    ...
    ...     def step(self, loss: float) -> None:
    ...         self.optimizer.lr /= 2
    >>> sgd = nn.SGD({"w": np.ones(2)}, lr=0.5)
    >>> Halving(sgd).step(1.0)
    >>> sgd.lr
    0.25
    """

    def step(self, loss: float) -> None:
        """Set the rate after an epoch with this loss."""


class Counted(Stateful):
    """The base of a schedule that goes by the epochs `done` and the rate `first_lr` that `optimizer` began with."""

    numbers: ClassVar[Checks] = {"first_lr": not_negative, "done": count}

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer, self.first_lr, self.done = optimizer, optimizer.lr, 0


class StepLR(Counted):
    """lr = the rate it began with times factor**(epochs done // every).

    >>> from rnnfast import nn
    >>> sgd = nn.SGD({"w": np.ones(2)}, lr=0.5)
    >>> schedule = nn.StepLR(sgd, every=2, factor=0.5)
    >>> for _ in range(4):
    ...     schedule.step()
    >>> sgd.lr
    0.125
    """

    settings = ("every", "factor")

    def __init__(self, optimizer: Optimizer, every: int, factor: float = 0.1) -> None:
        self.every, self.factor = whole("every", every), fraction("factor", factor)
        super().__init__(optimizer)

    def step(self, loss: float | None = None) -> None:
        """Set the rate after an epoch; the loss does not matter."""
        self.done += 1
        self.optimizer.lr = self.first_lr * self.factor ** (self.done // self.every)


class CosineLR(Counted):
    """lr falls from the rate it began with to `lowest` along half a cosine in so many epochs, and stays there.

    Loshchilov and Hutter 2017, without restarts. Raises ValueError for a `lowest` above the rate it begins with.

    >>> from rnnfast import nn
    >>> sgd = nn.SGD({"w": np.ones(2)}, lr=0.5)
    >>> nn.CosineLR(sgd, epochs=2).step()
    >>> sgd.lr
    0.25
    """

    settings = ("epochs", "lowest")

    def __init__(self, optimizer: Optimizer, epochs: int, lowest: float = 0.0) -> None:
        self.epochs, self.lowest = whole("epochs", epochs), not_negative("lowest", lowest)
        if self.lowest > optimizer.lr:
            expected = f"at most {optimizer.lr}, the optimiser's rate, from which it falls"
            raise ValueError(f"lowest is {lowest}, expected {expected}")
        super().__init__(optimizer)

    def step(self, loss: float | None = None) -> None:
        """Set the rate after an epoch; the loss does not matter."""
        self.done = min(self.done + 1, self.epochs)
        height = (1 + math.cos(math.pi * self.done / self.epochs)) / 2
        self.optimizer.lr = self.lowest + (self.first_lr - self.lowest) * height


class PlateauLR(Judge):
    """lr is multiplied by `factor`, never below `lowest`, after `patience` epochs in a row that did not improve.

    An epoch improves if its loss is below the best so far by more than `min_delta`, as in `EarlyStopping`. (PyTorch's
    patience is one less: the epochs that are still allowed.)

    >>> from rnnfast import nn
    >>> sgd = nn.SGD({"w": np.ones(2)}, lr=0.5)
    >>> schedule = nn.PlateauLR(sgd, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0):
    ...     schedule.step(loss)
    >>> sgd.lr
    0.25
    """

    settings = ("factor", "patience", "min_delta", "lowest")

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 0.1,
        *,
        patience: int = 10,
        min_delta: float = 0.0,
        lowest: float = 0.0,
    ) -> None:
        self.factor, self.lowest = fraction("factor", factor), not_negative("lowest", lowest)
        super().__init__(patience, min_delta)
        self.optimizer = optimizer

    def step(self, loss: float) -> None:
        """Set the rate after an epoch with this loss; NaN does not improve."""
        if not self._improves(loss) and self.waited == self.patience:
            self.waited = 0
            self.optimizer.lr = min(self.optimizer.lr, max(self.optimizer.lr * self.factor, self.lowest))
