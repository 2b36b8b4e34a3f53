"""Training a character model for a given time: Adam, clipping, and a rate that falls to zero as time runs out."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rnnfast import nn
from rnnfast.examples.char_model import CharModel
from rnnfast.examples.text_source import text_batches
from rnnfast.problem import Array

BATCH, STEPS = 32, 64
LEARNING_RATE = 4e-3
MAX_NORM = 1.0


SMOOTHING = 0.1
"""Weight of the newest loss in the moving average."""


@dataclass
class LossCurve:
    """The course of training at every step: characters read so far, their loss in bits each, and its moving average."""

    characters: list[int] = field(default_factory=list)
    bits: list[float] = field(default_factory=list)
    average: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, characters: int, bits: float, seconds: float) -> None:
        """Note one more step: how many characters it read, their loss, and the time since training began."""
        self.characters.append((self.characters[-1] if self.characters else 0) + characters)
        self.bits.append(bits)
        previous = self.average[-1] if self.average else bits
        self.average.append(previous + SMOOTHING * (bits - previous))
        self.seconds = seconds

    @property
    def speed(self) -> float:
        """Characters per second."""
        return self.characters[-1] / self.seconds if self.characters else 0.0


class Trainer:
    """Changes a model's parameters step by step.

    The state is carried from chunk to chunk, the gradient is not: truncated back-propagation through time.
    """

    def __init__(self, model: CharModel) -> None:
        self.model, self.state = model, None
        self.adam = nn.Adam(model.parameters, LEARNING_RATE)

    def step(self, inputs: Array, targets: Array) -> float:
        """Learn from codes (T, B) and the codes that follow them; the mean cross-entropy in nats."""
        loss, self.state, grads = self.model.gradients(inputs, targets, self.state)
        nn.clip_grad_norm(grads, MAX_NORM)
        self.adam.step(grads)
        return loss


def train(
    model: CharModel,
    codes: Array,
    seconds: float,
    *,
    stop: threading.Event,
    report: Callable[[LossCurve], None],
) -> LossCurve:
    """Change the model's parameters for so many seconds, or until `stop` is set; `report` is called at every step."""
    curve, trainer = LossCurve(), Trainer(model)
    start = time.perf_counter()
    for inputs, targets in text_batches(codes, BATCH, STEPS):
        if stop.is_set() or curve.seconds >= seconds:
            break
        trainer.adam.lr = LEARNING_RATE * (1 + math.cos(math.pi * curve.seconds / seconds)) / 2
        loss = trainer.step(inputs, targets)
        curve.add(targets.size, loss / math.log(2), time.perf_counter() - start)
        report(curve)
    return curve
