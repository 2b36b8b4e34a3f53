"""The history of a training, epoch by epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from rnnfast.checks.values import not_negative, truth
from rnnfast.nn.state import Checks, Stateful, number


def losses(name: str, value: Any) -> list[float]:
    """Return `value` as a list of floats. Raises TypeError unless it is a list of numbers."""
    if not isinstance(value, list):
        raise TypeError(f"{name} must be a list of numbers, got {type(value).__name__}")
    return [number(f"{name}[{k}]", entry) for k, entry in enumerate(value)]


@dataclass
class History(Stateful):
    """One entry per epoch: mean `loss` of its batches, `validation` if asked for, the rate `lr`; `seconds` in all.

    `interrupted`: whether Ctrl-C ended the last `fit`, whose unfinished epoch has no entry.

    >>> from rnnfast import nn
    >>> print(nn.History(loss=[0.5, 0.25], lr=[0.1, 0.1]))
    loss 0.25
    """

    loss: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False

    numbers: ClassVar[Checks] = {
        "loss": losses,
        "validation": losses,
        "lr": losses,
        "seconds": not_negative,
        "interrupted": truth,
    }

    def __str__(self) -> str:
        """The last epoch, in a few words."""
        validation = f", validation {self.validation[-1]:.4g}" if self.validation else ""
        return f"loss {self.loss[-1]:.4g}{validation}" if self.loss else "no epoch"
