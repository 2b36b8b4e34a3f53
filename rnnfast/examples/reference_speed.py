"""How much faster a model's recurrent net runs on its backend than on the NumPy reference, measured here and now."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast.examples.char_text import CharModel
from rnnfast.examples.training import BATCH, STEPS
from rnnfast.problem import Array

ROUNDS = 5
PATIENCE = 5.0
"""Seconds after which no further round begins: the reference may need long for a large net."""


@dataclass(frozen=True)
class Comparison:
    """Median seconds of one recorded forward and its backward, on the chosen backend and on the reference."""

    chosen: float
    reference: float
    rounds: int

    @property
    def ratio(self) -> float:
        """How many times faster the chosen backend ran."""
        return self.reference / self.chosen


def compare(model: CharModel) -> Comparison:
    """Time both backends in turn on the same weights and input, a training step's (STEPS, BATCH, embedding)."""
    net = model.recurrent
    reference = type(net)(net.net.input_size, net.net.hidden_size, model.layers, backend="reference")
    reference.load_state_dict(net.state_dict())
    rng = np.random.default_rng(0)
    x = rng.standard_normal((STEPS, BATCH, net.net.input_size), np.float32)
    dy = rng.standard_normal((STEPS, BATCH, net.net.hidden_size), np.float32)
    _seconds(net, x, dy)  # the first call starts threads and touches memory for the first time
    times: list[tuple[float, float]] = []
    start = time.perf_counter()
    while len(times) < ROUNDS and (not times or time.perf_counter() - start < PATIENCE):
        times.append((_seconds(net, x, dy), _seconds(reference, x, dy)))
    chosen, slow = (statistics.median(column) for column in zip(*times, strict=True))
    return Comparison(chosen, slow, len(times))


def _seconds(net: Any, x: Array, dy: Array) -> float:
    start = time.perf_counter()
    net.record(x)[2].backward(dy)
    return time.perf_counter() - start
