"""Fair times: candidates take turns in shuffled order, many times over, and the median of each counts."""

from __future__ import annotations

import gc
import math
import random
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

MIN_ROUNDS = 3


class Pace(NamedTuple):
    """Pace of a measurement: how long samples are, and how many there may be."""

    sample_seconds: float
    """A sample repeats its work until it lasts at least this long."""
    rounds: int


USUAL = Pace(5e-3, 25)
"""Samples far longer than the clock's and the scheduler's grain."""
SHORT = Pace(1e-3, 250)
"""For calls of microseconds: many samples so short that some pass undisturbed on a busy machine."""


class Sampler:
    """Takes samples of one piece of work, in a context entered once for each."""

    def __init__(
        self,
        work: Callable[[], Any],
        within: Callable[[], AbstractContextManager[Any]] = nullcontext,
        pace: Pace = USUAL,
    ) -> None:
        self._work, self._within = work, within
        with within():
            work()
        self._repeats = 1
        once = self._time()
        if once < pace.sample_seconds:
            self._repeats = math.ceil(pace.sample_seconds / max(min(once, self._time()), 1e-7))

    def sample(self) -> float:
        """Return the seconds that the work takes, the mean of enough repetitions in a row.

        Short work runs once more before: caches, clock frequency and sleeping threads are then its own, not what the
        candidate before it left.
        """
        return self._time(warm=self._repeats > 1)

    def _time(self, *, warm: bool = False) -> float:
        work, repeats = self._work, range(self._repeats)
        with self._within():
            if warm:
                work()
            start = time.perf_counter()
            for _ in repeats:
                work()
            return (time.perf_counter() - start) / len(repeats)


def take_turns(samplers: Mapping[str, Sampler], seconds: float, pace: Pace = USUAL) -> dict[str, list[float]]:
    """Let every sampler take one sample a round, for about so many seconds; return the samples in seconds, by name."""
    samples: dict[str, list[float]] = {name: [] for name in samplers}
    order, shuffle = list(samplers), random.Random(0)
    start = time.perf_counter()
    with _no_collection():
        for done in range(pace.rounds):
            if done >= MIN_ROUNDS and time.perf_counter() - start > seconds:
                break
            shuffle.shuffle(order)
            for name in order:
                samples[name].append(samplers[name].sample())
    return samples


@contextmanager
def _no_collection() -> Any:
    """Switch off Python's cyclic garbage collector, which would stop whichever candidate happens to run."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
