"""Counting on: after 95, 96, 97, 98, 99, which number comes next? With standardised numbers and without."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import rnnfast
from rnnfast import nn
from rnnfast.examples import command
from rnnfast.examples.regressor import Regressor
from rnnfast.examples.scaling import Scaler
from rnnfast.problem import Array

WINDOW, WINDOWS = 5, 100
HIDDEN = 10
EPOCHS, LEARNING_RATE = 200, 0.01
ASKED = 95
"""Where the window begins whose next number is asked for."""


@dataclass(frozen=True)
class Result:
    """Number that follows the window that begins at `ASKED`, and the final mean squared error in squared numbers."""

    prediction: float
    loss: float


def windows() -> tuple[Array, Array]:
    """Inputs (100, 5, 1), j to j + 4, and targets (100, 1), j + 5."""
    inputs = np.arange(WINDOWS)[:, None] + np.arange(WINDOW)
    return inputs[:, :, None].astype(float), inputs[:, -1:] + 1.0


def learn(*, standardised: bool, epochs: int, seed: int, backend: str | None = None, progress: bool = True) -> Result:
    """Train an RNN of 10 units on all windows as one batch, and ask it."""
    inputs, targets = windows()
    scale_in = Scaler.of(inputs.reshape(-1, 1)) if standardised else Scaler(0.0, 1.0)
    scale_out = Scaler.of(targets) if standardised else Scaler(0.0, 1.0)
    x = scale_in(inputs)
    model = Regressor(rnnfast.RNN(1, HIDDEN, batch_first=True, seed=seed, backend=backend), seed=seed + 1)
    adam = nn.Adam(model.parameters, LEARNING_RATE)
    nn.fit(model.step, [(x, scale_out(targets))], adam, epochs=epochs, progress=progress)
    predictions = scale_out.undo(model(x))
    return Result(float(predictions[ASKED, 0]), float(np.mean((predictions - targets) ** 2)))


def show(*, backend: str, seed: int, epochs: int) -> None:
    """Train both ways and print what each learned."""
    asked = ", ".join(map(str, range(ASKED, ASKED + WINDOW)))
    print(f"RNN of {HIDDEN} units, {WINDOWS} windows of {WINDOW} numbers, {epochs} epochs; backend {backend}")
    for standardised in (True, False):
        result = learn(standardised=standardised, epochs=epochs, seed=seed, backend=backend)
        print(
            f"{'standardised' if standardised else 'as they are'}: after {asked} comes {result.prediction:.2f} "
            f"(the truth: {ASKED + WINDOW}); mean squared error {result.loss:,.2f}"
        )
    moved = epochs * LEARNING_RATE
    print(
        f"Adam moves a weight by about {LEARNING_RATE} a step, {moved:g} in all: a sum of {HIDDEN} tanh units "
        f"and a bias gets to about {moved * (HIDDEN + 1):g}, wherever the targets are"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    return command.run(command.parser("next_number", __doc__, epochs=EPOCHS), arguments, show)


if __name__ == "__main__":
    sys.exit(main())
