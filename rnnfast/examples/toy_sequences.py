"""One tanh unit that returns every step learns 1..5 to 6..10 and 6..10 to 11..15: what its range forbids and allows."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import rnnfast
from rnnfast import nn
from rnnfast.examples import command
from rnnfast.examples.scaling import Scaler
from rnnfast.problem import Array

SEQUENCES = np.arange(1.0, 11).reshape(2, 5, 1)
"""1..5 and 6..10."""
TARGETS = SEQUENCES + 5
BOUND = float(np.mean((TARGETS - 1) ** 2))
"""The mean squared error of outputs that are 1 throughout: no output below 1 comes nearer to targets of 6 and more."""
EPOCHS, LEARNING_RATE = 1000, 0.05
DEVIATIONS = (None, 1, 2)
"""Standard deviations of inputs and targets that become 1; None: numbers as they are."""


@dataclass(frozen=True)
class Result:
    """Outputs (2, 5) in the targets' own units, their mean squared error, and the highest target as it was scaled."""

    outputs: Array
    loss: float
    reach: float


def learn(
    deviations: int | None,
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
    backend: str | None = None,
    progress: bool = True,
) -> Result:
    """Train the unit on both sequences as one batch; its state is its output, there is no layer behind it."""
    scale_in, scale_out = Scaler(0.0, 1.0), Scaler(0.0, 1.0)
    if deviations is not None:
        scale_in = Scaler.of(SEQUENCES.reshape(-1, 1), deviations)
        scale_out = Scaler.of(TARGETS.reshape(-1, 1), deviations)
    x, scaled = scale_in(SEQUENCES), scale_out(TARGETS)
    unit = rnnfast.RNN(1, 1, batch_first=True, seed=seed, backend=backend)

    def step(targets: Array) -> tuple[float, dict[str, Array]]:
        y, _, tape = unit.record(x)
        loss, dy = nn.mse(y, targets)
        return loss, tape.backward(dy, need_x=False).params

    adam = nn.Adam(unit.parameters, LEARNING_RATE)
    nn.fit(step, [scaled], adam, epochs=epochs, progress=progress)
    outputs = scale_out.undo(unit(x)[0])
    return Result(outputs[:, :, 0], nn.mse(outputs, TARGETS)[0], float(scaled.max()))


def show(*, backend: str, seed: int, epochs: int) -> None:
    """Train with each scaling, print what the unit says for 6..10, and why."""
    print(f"one tanh unit, 1..5 to 6..10 and 6..10 to 11..15, {epochs} epochs; backend {backend}")
    for deviations in DEVIATIONS:
        result = learn(deviations, epochs=epochs, seed=seed, backend=backend)
        scaled = "as they are" if deviations is None else f"standardised, {deviations} standard deviation(s) to 1"
        said = " ".join(f"{value:.2f}" for value in result.outputs[1])
        print(f"{scaled}, targets up to {result.reach:.2f}: 6..10 gives {said}; mean squared error {result.loss:.2f}")
    print(
        "a tanh stays below 1, and no layer stands behind it: it cannot reach targets beyond 1, only saturate,\n"
        f"which leaves an error of at least {BOUND:.1f} where they are 6 to 15; what is scaled to within 1 it can reach"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    return command.run(command.parser("toy_sequences", __doc__, epochs=EPOCHS), arguments, show)


if __name__ == "__main__":
    sys.exit(main())
