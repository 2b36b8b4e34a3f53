"""The training loop: epochs of batches, with clipping, a schedule, validation, early stopping and a history."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from rnnfast.checks.values import truth, whole
from rnnfast.nn.clip import clip_grad_norm
from rnnfast.nn.optim import Optimizer
from rnnfast.nn.progress import progress_bar
from rnnfast.nn.schedules import Schedule
from rnnfast.nn.stopping import EarlyStopping
from rnnfast.problem import Array

Batch = TypeVar("Batch")


@dataclass
class History:
    """What training saw, one entry per epoch: mean `loss` of its batches, `validation` if asked for, the rate `lr`."""

    loss: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        """The last epoch, in a few words."""
        validation = f", validation {self.validation[-1]:.4g}" if self.validation else ""
        return f"loss {self.loss[-1]:.4g}{validation}" if self.loss else "no epoch"


def fit(
    step: Callable[[Batch], tuple[float, dict[str, Array]]],
    batches: Iterable[Batch],
    optimizer: Optimizer,
    *,
    epochs: int,
    max_norm: float | None = None,
    schedule: Schedule | None = None,
    validate: Callable[[], float] | None = None,
    early_stopping: EarlyStopping | None = None,
    progress: bool = True,
) -> History:
    """Train for so many epochs, or until early stopping has its way, and return what happened.

    step: called with every batch, returns its mean loss and the gradient of each of the optimiser's parameters.
    batches: gone through once per epoch, such as a `Loader`, or a list that holds all data as one batch.
    max_norm: the gradients' norm is clipped to it; to clip by value call `clip_grad_value` in `step`.
    validate: called after every epoch; returns a loss, lower is better, that schedule and early stopping then go by.
    Without it they go by the training loss, which the weights had while the epoch changed them.
    early_stopping: its best weights are restored at the end, also where all epochs were used.
    progress: a bar on standard error, where that is a terminal and rich is installed.

    Raises ValueError for an epoch without a batch, and what `step` and the optimiser raise.
    """
    epochs, history, start = whole("epochs", epochs), History(), time.perf_counter()
    with progress_bar(epochs, shown=truth("progress", progress)) as report:
        for epoch in range(epochs):
            losses = [_learn(step, batch, optimizer, max_norm) for batch in batches]
            if not losses:
                advice = "pass a list or a Loader, an iterator serves one epoch only"
                raise ValueError(f"batches held nothing in epoch {epoch + 1}: {advice}")
            history.loss.append(sum(losses) / len(losses))
            history.lr.append(optimizer.lr)
            if validate is not None:
                history.validation.append(float(validate()))
            history.seconds = time.perf_counter() - start
            report(str(history))
            judged = (history.validation or history.loss)[-1]
            if schedule is not None:
                schedule.step(judged)
            if early_stopping is not None and early_stopping.step(judged):
                break
    if early_stopping is not None:
        early_stopping.restore()
    return history


def _learn(
    step: Callable[[Batch], tuple[float, dict[str, Array]]], batch: Batch, optimizer: Optimizer, max_norm: float | None
) -> float:
    found, grads = step(batch)
    loss = float(found)  # before anything moves
    if max_norm is not None:
        clip_grad_norm(grads, max_norm)
    optimizer.step(grads)
    return loss
