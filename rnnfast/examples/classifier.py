"""Which of three frequencies? An LSTM reads 20 noisy samples, a softmax over 3 classes follows its last output."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import rnnfast
from rnnfast import nn
from rnnfast.examples import command
from rnnfast.problem import Array

STEPS = 20
PERIODS = (12.0, 7.0, 4.0)
"""Periods of the classes, in steps."""
NOISE = 0.3
"""Standard deviation; the amplitude is 1, the phase random."""
TRAINING, HELD_OUT = 600, 600
HIDDEN, BATCH, EPOCHS, LEARNING_RATE = 16, 32, 20, 0.01


class Classifier:
    """Class probabilities (B, C) for x (B, T, I), from a recurrent net of one direction with batch_first=True.

    `parameters` maps names to live arrays.
    """

    def __init__(self, recurrent: rnnfast.LSTM, classes: int, *, seed: int = 0) -> None:
        self.recurrent = recurrent
        self.head = nn.Linear(recurrent.net.hidden_size, classes, dtype=recurrent.net.dtype, seed=seed)
        self.log_softmax = nn.LogSoftmax()
        self.parameters = nn.named(recurrent=recurrent.parameters, head=self.head.parameters)

    def __call__(self, x: Array) -> Array:
        """The probabilities for x."""
        _, (h, _) = self.recurrent(x)
        return np.exp(self.log_softmax(self.head(h[-1])))

    def step(self, batch: tuple[Array, Array]) -> tuple[float, dict[str, Array]]:
        """Mean cross-entropy of x and labels (B,), and the parameters' gradients: what `nn.fit` calls."""
        x, labels = batch
        _, (h, _), recurrent_tape = self.recurrent.record(x)
        logits, head_tape = self.head.record(h[-1])
        loss, d_logits = nn.cross_entropy(logits, labels)
        head = head_tape.backward(d_logits)
        d_h = np.zeros_like(h)
        d_h[-1] = head.x
        recurrent = recurrent_tape.backward(d_state=(d_h, None), need_x=False)
        return loss, nn.named(recurrent=recurrent.params, head=head.params)


@dataclass(frozen=True)
class Result:
    """The history of training, the share of held-out sequences told right, and how often (true, told) came up."""

    history: nn.History
    accuracy: float
    confusion: Array


def sequences(number: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Noisy sines (number, 20, 1) float32 and their classes (number,), as many of each class as can be."""
    labels = rng.permutation(np.arange(number) % len(PERIODS))
    phases = rng.uniform(0, 2 * np.pi, (number, 1))
    angles = 2 * np.pi * np.arange(STEPS) / np.array(PERIODS)[labels, None]
    samples = np.sin(angles + phases) + rng.normal(0, NOISE, (number, STEPS))
    return samples[:, :, None].astype(np.float32), labels


def learn(*, epochs: int = EPOCHS, seed: int = 0, backend: str | None = None, progress: bool = True) -> Result:
    """Train on some sequences and classify others."""
    rng = np.random.default_rng(seed)
    training, (x, labels) = sequences(TRAINING, rng), sequences(HELD_OUT, rng)
    lstm = rnnfast.LSTM(1, HIDDEN, batch_first=True, seed=seed + 1, backend=backend)
    model = Classifier(lstm, len(PERIODS), seed=seed + 2)
    loader = nn.Loader(*training, batch_size=BATCH, seed=seed + 3)
    adam = nn.Adam(model.parameters, LEARNING_RATE)
    history = nn.fit(model.step, loader, adam, epochs=epochs, max_norm=1.0, progress=progress)
    told = model(x).argmax(axis=1)
    confusion = np.zeros((len(PERIODS), len(PERIODS)), np.int64)
    np.add.at(confusion, (labels, told), 1)
    return Result(history, float(np.mean(told == labels)), confusion)


def show(*, backend: str, seed: int, epochs: int) -> None:
    """Train, and print loss, accuracy and what was taken for what."""
    print(f"LSTM of {HIDDEN} units, {TRAINING} sequences of {STEPS} steps, {epochs} epochs; backend {backend}")
    result = learn(epochs=epochs, seed=seed, backend=backend)
    loss, seconds = result.history.loss, result.history.seconds
    print(f"cross-entropy {loss[0]:.3f} -> {loss[-1]:.3f} nats in {seconds:.1f} s")
    print(f"{HELD_OUT} sequences held out: {result.accuracy:.1%} told right")
    for period, row in zip(PERIODS, result.confusion, strict=True):
        print(
            f"  period {period:4g}: told as {', '.join(f'{p:g} {n} times' for p, n in zip(PERIODS, row, strict=True))}"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    return command.run(command.parser("classifier", __doc__, epochs=EPOCHS), arguments, show)


if __name__ == "__main__":
    sys.exit(main())
