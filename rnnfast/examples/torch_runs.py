"""A PyTorch model trained as it is and accelerated, seed by seed in the same run, and the two compared."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

LOSS_TOLERANCE = 1e-4
"""How far losses of the first updates may lie apart, before rounding has grown."""
COMPARED = 3
"""How many of the first updates."""


@dataclass(frozen=True)
class Run:
    """One training: the losses of its first updates, the final result, the seconds that it took."""

    losses: tuple[float, ...]
    result: float
    seconds: float


Train = Callable[[int, Callable[[Any], object]], Run]
"""Trains with a seed; the second argument is called with the finished model before training."""


@dataclass(frozen=True)
class Comparison:
    """Runs of the same seeds, plain and accelerated."""

    plain: tuple[Run, ...]
    accelerated: tuple[Run, ...]

    @property
    def loss_difference(self) -> float:
        """The largest difference between losses of the first updates."""
        pairs = zip(self.plain, self.accelerated, strict=True)
        return max(abs(a - b) for one, other in pairs for a, b in zip(one.losses, other.losses, strict=True))

    @property
    def is_within_range(self) -> bool:
        """Whether the mean of the accelerated results is none that the plain seeds do not cover."""
        results = [run.result for run in self.plain]
        return min(results) <= statistics.mean(run.result for run in self.accelerated) <= max(results)

    @property
    def seconds(self) -> tuple[float, float]:
        """The median time of a training, plain and accelerated."""
        plain, accelerated = (statistics.median(run.seconds for run in runs) for runs in (self.plain, self.accelerated))
        return plain, accelerated


def compare(train: Train, accelerate: Callable[[Any], object], seeds: Sequence[int]) -> Comparison:
    """Train once plain and once accelerated with every seed, in turns that begin with the one and the other."""
    plain: list[Run] = []
    accelerated: list[Run] = []
    for turn, seed in enumerate(seeds):
        pair = [(plain, _unchanged), (accelerated, accelerate)]
        for runs, changed in pair[:: -1 if turn % 2 else 1]:
            runs.append(train(seed, changed))
    return Comparison(tuple(plain), tuple(accelerated))


def _unchanged(model: Any) -> None:
    pass
