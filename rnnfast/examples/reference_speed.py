"""How much faster a model's recurrent net runs on its backend than on the NumPy reference, measured here and now."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from rnnfast.examples.char_model import CharModel
from rnnfast.examples.training import BATCH, STEPS
from rnnfast.problem import Array

ROUNDS = 5
PATIENCE = 5.0
"""Seconds after which no further round begins: the reference may need long for a large net."""


@dataclass(frozen=True)
class Comparison:
    """Median seconds of one recorded forward and its backward, on the chosen backend and on the reference.

    The reference is timed with NumPy's BLAS on all its threads and on one, and the faster counts: on a busy machine
    BLAS threads that wait for each other can cost it a factor of ten.
    """

    chosen: float
    reference: float
    rounds: int

    @property
    def ratio(self) -> float:
        """Return how many times faster the chosen backend ran."""
        return self.reference / self.chosen


def compare(model: CharModel) -> Comparison:
    """Time the contenders in turn on the same weights and input, a training step's (STEPS, BATCH, embedding)."""
    net = model.recurrent
    reference = type(net)(net.net.input_size, net.net.hidden_size, model.layers, backend="reference")
    reference.load_state_dict(net.state_dict())
    rng = np.random.default_rng(0)
    x = rng.standard_normal((STEPS, BATCH, net.net.input_size), np.float32)
    dy = rng.standard_normal((STEPS, BATCH, net.net.hidden_size), np.float32)
    _seconds(net, x, dy, None)  # the first call starts threads and touches memory for the first time
    contenders = ((net, None), (reference, None), (reference, 1))
    rounds: list[list[float]] = []
    start = time.perf_counter()
    while len(rounds) < ROUNDS and (not rounds or time.perf_counter() - start < PATIENCE):
        rounds.append([_seconds(contender, x, dy, blas_threads) for contender, blas_threads in contenders])
    chosen, *slow = (statistics.median(times) for times in zip(*rounds, strict=True))
    return Comparison(chosen, min(slow), len(rounds))


def _seconds(net: Any, x: Array, dy: Array, blas_threads: int | None) -> float:
    with threadpool_limits(blas_threads, user_api="blas"):
        start = time.perf_counter()
        net.record(x)[2].backward(dy)
        return time.perf_counter() - start
