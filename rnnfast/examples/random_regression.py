"""Learning noise by heart: an RNN reads random sequences and learns random targets from their last step."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

import rnnfast
from rnnfast import nn
from rnnfast.checks.command_line import count
from rnnfast.examples import command
from rnnfast.examples.regressor import Regressor

SEQUENCES, STEPS, FEATURES = 100, 5, 10
HIDDEN = 20
EPOCHS, LEARNING_RATE = 100, 1e-3
SEEDS = 5


def learn(seed: int, *, epochs: int = EPOCHS, backend: str | None = None, progress: bool = True) -> nn.History:
    """Train on all sequences as one batch, and return the loss of every epoch."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((SEQUENCES, STEPS, FEATURES), np.float32)
    targets = rng.standard_normal((SEQUENCES, 1), np.float32)
    net = rnnfast.RNN(FEATURES, HIDDEN, batch_first=True, seed=seed, backend=backend)
    model = Regressor(net, seed=seed + 1)
    adam = nn.Adam(model.parameters, LEARNING_RATE)
    return nn.fit(model.step, [(x, targets)], adam, epochs=epochs, progress=progress)


def show(*, backend: str, seed: int, seeds: int, epochs: int) -> None:
    """Train with one seed after another and print how far each loss fell."""
    print(f"RNN of {HIDDEN} units, {SEQUENCES} random sequences of {STEPS} steps, {epochs} epochs; backend {backend}")
    for k in range(seed, seed + seeds):
        history = learn(k, epochs=epochs, backend=backend)
        first, last = history.loss[0], history.loss[-1]
        print(
            f"seed {k}: mean squared error {first:.3f} at first, {last:.3f} at last: {last / first:.0%} of it is left"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = command.parser("random_regression", __doc__, epochs=EPOCHS)
    parser.add_argument("--seeds", type=count, default=SEEDS, metavar="N", help=f"runs (default: {SEEDS})")
    return command.run(parser, arguments, show)


if __name__ == "__main__":
    sys.exit(main())
