"""The training loop: epochs of batches, with clipping, a schedule, validation, early stopping and a history."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from threading import Event
from typing import TypeVar

from rnnfast.checks.values import positive, truth, whole
from rnnfast.nn.clip import clip_grad_norm
from rnnfast.nn.history import History
from rnnfast.nn.interrupt import stop_on_interrupt
from rnnfast.nn.optim import Optimizer
from rnnfast.nn.progress import progress_bar
from rnnfast.nn.schedules import Schedule
from rnnfast.nn.stopping import EarlyStopping
from rnnfast.problem import Array

Batch = TypeVar("Batch")
Step = Callable[[Batch], tuple[float, dict[str, Array]]]


def fit(
    step: Step[Batch],
    batches: Iterable[Batch],
    optimizer: Optimizer,
    *,
    epochs: int,
    max_norm: float | None = None,
    schedule: Schedule | None = None,
    validate: Callable[[], float] | None = None,
    early_stopping: EarlyStopping | None = None,
    history: History | None = None,
    require_finite: bool = True,
    progress: bool = True,
) -> History:
    """Train for so many epochs, or until early stopping has its way, and return what happened.

    step: called with every batch, returns its mean loss and the gradient of each of the optimiser's parameters.
    batches: gone through once per epoch, such as a `Loader`, or a list that holds all data as one batch.
    max_norm: the gradients' norm is clipped to it; to clip by value call `clip_grad_value` in `step`.
    validate: called after every epoch; returns a loss, lower is better, that schedule and early stopping then go by.
    Without it they go by the training loss, which the weights had while the epoch changed them.
    early_stopping: its best weights are restored at the end, also where all epochs were used.
    history: one to add to, of the epochs before. It is up to date whatever ends training, an error too.
    require_finite: False goes on where a loss, or the gradients' norm that is clipped, is NaN or infinite.
    progress: a bar on standard error, where that is a terminal and rich is installed.

    Ctrl-C ends training after the batch under way, a second one at once; the history so far is returned, with
    `interrupted` true.
    Raises FloatingPointError at a loss that is NaN or infinite, before that batch changes a parameter; ValueError for
    an epoch without a batch or a schedule of another optimiser; and what `step` and the optimiser raise.

    >>> import numpy as np
    >>> from rnnfast import nn
    >>> weights = {"w": np.array([4.0])}
    >>> def step(target):
    ...     error = weights["w"] - target
    ...     return float(error @ error), {"w": 2 * error}
    >>> history = nn.fit(step, [1.0, 1.0], nn.SGD(weights, 0.25), epochs=20, progress=False)
    >>> weights["w"].round(3), len(history.loss), history.interrupted
    (array([1.]), 20, False)
    """
    epochs, require_finite = whole("epochs", epochs), truth("require_finite", require_finite)
    max_norm = None if max_norm is None else positive("max_norm", max_norm)
    if getattr(schedule, "optimizer", optimizer) is not optimizer:
        raise ValueError("schedule sets the rate of another optimiser: make it with the one that fit is given")
    history = History() if history is None else history
    run = Run(optimizer, max_norm, require_finite, history)
    with progress_bar(epochs, shown=truth("progress", progress)) as report, stop_on_interrupt() as stop:
        try:
            for _ in range(epochs):
                judged = run.epoch(step, batches, validate, stop)
                report(str(history))
                if schedule is not None:
                    schedule.step(judged)
                if early_stopping is not None and early_stopping.step(judged):
                    break
        except KeyboardInterrupt:
            history.interrupted = True
    if early_stopping is not None:
        early_stopping.restore()
    return history


class Run:
    """One `fit`: what its epochs share."""

    def __init__(self, optimizer: Optimizer, max_norm: float | None, require_finite: bool, history: History) -> None:
        self.optimizer, self.max_norm, self.require_finite = optimizer, max_norm, require_finite
        self.history, self.start = history, time.perf_counter() - history.seconds
        history.interrupted = False

    def epoch(
        self, step: Step[Batch], batches: Iterable[Batch], validate: Callable[[], float] | None, stop: Event
    ) -> float:
        """Learn from every batch, note the epoch and return the loss to judge it by.

        Raises KeyboardInterrupt before the next batch once `stop` is set, and as `fit`.
        """
        history = self.history
        losses: list[float] = []
        end_if(stop)
        for batch in batches:
            end_if(stop)
            losses.append(self._learn(step, batch, f"batch {len(losses) + 1} of epoch {len(history.loss) + 1}"))
        if not losses:
            advice = "pass a list or a Loader, an iterator serves one epoch only"
            raise ValueError(f"batches held nothing in epoch {len(history.loss) + 1}: {advice}")
        validation = None if validate is None else float(validate())
        history.loss.append(sum(losses) / len(losses))
        history.lr.append(self.optimizer.lr)
        history.seconds = time.perf_counter() - self.start
        if validation is None:
            return history.loss[-1]
        history.validation.append(validation)
        self._check("the validation loss", validation, f"epoch {len(history.loss)}")
        return validation

    def _learn(self, step: Step[Batch], batch: Batch, where: str) -> float:
        found, grads = step(batch)
        loss = float(found)  # before anything moves
        self._check("the loss", loss, where)
        if self.max_norm is not None:
            norm = clip_grad_norm(grads, self.max_norm)
            self._check("the gradients' norm", norm, f"{where}, whose loss is {loss}")
        self.optimizer.step(grads)
        return loss

    def _check(self, what: str, value: float, where: str) -> None:
        if self.require_finite and not math.isfinite(value):
            optimizer = self.optimizer
            raise FloatingPointError(
                f"{what} is {value} in {where}, after {optimizer.steps} steps of {type(optimizer).__name__}; no "
                f"parameter was changed since. Lower the rate, which is {optimizer.lr:g}, clip the gradients with "
                "max_norm, or look for NaN and infinity in the data; require_finite=False goes on all the same"
            )


def end_if(stop: Event) -> None:
    """Raise KeyboardInterrupt once `stop` is set."""
    if stop.is_set():
        raise KeyboardInterrupt
