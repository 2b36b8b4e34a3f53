"""The next value of a sine curve, by an RNN of 100 tanh units and by one of 100 relu units."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import rnnfast
from rnnfast import nn
from rnnfast.examples import command, pictures
from rnnfast.examples.pictures import Curve
from rnnfast.examples.regressor import Regressor
from rnnfast.net.options import Nonlinearity
from rnnfast.problem import Array

END, INTERVAL = 30, 0.1
WINDOW = 20
HELD_OUT = 60
"""Samples at the curve's end that no training window touches."""
HIDDEN = 100
BATCH, EPOCHS, LEARNING_RATE = 16, 100, 3e-3
KINDS: tuple[Nonlinearity, ...] = ("tanh", "relu")


@dataclass(frozen=True)
class Result:
    """History, the prediction of every held-out sample (N,), and their mean squared error."""

    history: nn.History
    predictions: Array
    error: float


def windows(curve: Array) -> tuple[Array, Array]:
    """Inputs (N, WINDOW, 1), and as targets the value after each of their steps."""
    views = np.lib.stride_tricks.sliding_window_view(curve, WINDOW + 1)[:, :, None]
    return views[:, :-1], views[:, 1:]


def samples() -> tuple[Array, Array]:
    """Times (300,) and the sine of them, float32."""
    times = np.arange(0, END, INTERVAL)
    return times, np.sin(times).astype(np.float32)


def learn(
    kind: Nonlinearity, *, epochs: int = EPOCHS, seed: int = 0, backend: str | None = None, progress: bool = True
) -> Result:
    """Train on the curve's beginning, predict its end, every value from the WINDOW true ones before it."""
    _, curve = samples()
    inputs, targets = windows(curve[:-HELD_OUT])
    net = rnnfast.RNN(1, HIDDEN, nonlinearity=kind, batch_first=True, seed=seed, backend=backend)
    model = Regressor(net, every_step=True, seed=seed + 1)
    loader = nn.Loader(inputs, targets, batch_size=BATCH, seed=seed)
    adam = nn.Adam(model.parameters, LEARNING_RATE)
    schedule = nn.CosineLR(adam, epochs)  # else the last steps of Adam leave an error that depends on chance
    history = nn.fit(model.step, loader, adam, epochs=epochs, schedule=schedule, progress=progress)
    inputs, targets = windows(curve[-HELD_OUT - WINDOW :])
    predictions = model(inputs)[:, -1, 0]
    return Result(history, predictions, nn.mse(predictions, targets[:, -1, 0])[0])


def draw(results: dict[Nonlinearity, Result], folder: Path) -> list[Path]:
    """Write prediction.png, held-out prediction against truth, and loss.png, every epoch's training loss."""
    times, curve = samples()
    held_out = times[-HELD_OUT:]
    truth = Curve("truth", held_out, curve[-HELD_OUT:])
    predictions = [Curve(f"{kind} RNN", held_out, r.predictions, "--") for kind, r in results.items()]
    losses = [Curve(f"{kind} RNN", range(1, len(r.history.loss) + 1), r.history.loss) for kind, r in results.items()]
    paths = [folder / "prediction.png", folder / "loss.png"]
    pictures.save_curves(
        paths[0], [truth, *predictions], title="The next value of a sine curve, held out", xlabel="t", ylabel="sin t"
    )
    pictures.save_curves(
        paths[1], losses, title="Training", xlabel="epoch", ylabel="mean squared error", logarithmic=True
    )
    return paths


def show(*, backend: str, seed: int, epochs: int, output: Path) -> None:
    """Train both nets, print their held-out errors and draw them."""
    pictures.prepare(output)
    print(f"RNNs of {HIDDEN} units, windows of {WINDOW} samples, {epochs} epochs; backend {backend}")
    results = {}
    for kind in KINDS:
        results[kind] = result = learn(kind, epochs=epochs, seed=seed, backend=backend)
        print(
            f"{kind}: mean squared error of the {HELD_OUT} held-out values {result.error:.2e}, "
            f"trained in {result.history.seconds:.1f} s",
            flush=True,
        )
    print(f"saved: {', '.join(map(str, draw(results, output)))}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    return command.run(command.parser("sine", __doc__, epochs=EPOCHS, output=True), arguments, show)


if __name__ == "__main__":
    sys.exit(main())
