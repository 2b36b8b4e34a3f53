"""An LSTM stepped by hand, with weights for the concatenated [h, x] as tutorials write it, beside `rnnfast.LSTM`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

import rnnfast
from rnnfast.checks.command_line import count
from rnnfast.examples import command
from rnnfast.problem import Array

INPUTS, BATCH = 5, 3
OURS = [1, 0, 2, 3]
"""Places in f, i, candidate, o of our gates i, f, g, o; the places the other way are the same."""


@dataclass(frozen=True)
class Weights:
    """Gates in the order f, i, candidate, o."""

    weight: Array
    """(4, H, H + I): the columns of h stand before those of x."""
    bias: Array
    """(4, H)."""

    @classmethod
    def of(cls, state_dict: Mapping[str, Array]) -> Weights:
        """Convert the weights of a one-layer `rnnfast.LSTM`, or `torch.nn.LSTM`, whose two biases become their sum."""
        columns = np.hstack([state_dict["weight_hh_l0"], state_dict["weight_ih_l0"]])
        bias = state_dict["bias_ih_l0"] + state_dict["bias_hh_l0"]
        return cls(columns.reshape(4, -1, columns.shape[1])[OURS], bias.reshape(4, -1)[OURS])

    def state_dict(self) -> dict[str, Array]:
        """The same as a one-layer LSTM's parameters, ready for `load_state_dict`; bias_hh is zeros."""
        hidden = self.weight.shape[1]
        columns = self.weight[OURS].reshape(4 * hidden, -1)
        bias = self.bias[OURS].reshape(-1)
        return {
            "weight_ih_l0": np.ascontiguousarray(columns[:, hidden:]),
            "weight_hh_l0": np.ascontiguousarray(columns[:, :hidden]),
            "bias_ih_l0": bias,
            "bias_hh_l0": np.zeros_like(bias),
        }


def step(weights: Weights, x: Array, h: Array, c: Array) -> tuple[Array, Array]:
    """The states h and c (B, H) after one step on x (B, I)."""
    together = np.concatenate([h, x], axis=1)
    f, i, candidate, o = (together @ w.T + b for w, b in zip(weights.weight, weights.bias, strict=True))
    c = _logistic(f) * c + _logistic(i) * np.tanh(candidate)
    return _logistic(o) * np.tanh(c), c


def run(weights: Weights, x: Array) -> tuple[Array, Array]:
    """h and c of every step, (T, B, H), from zeros, for x (T, B, I)."""
    h = c = np.zeros((x.shape[1], weights.bias.shape[1]), x.dtype)
    hs, cs = np.empty((2, len(x), *h.shape), x.dtype)
    for t in range(len(x)):
        h, c = hs[t], cs[t] = step(weights, x[t], h, c)
    return hs, cs


def random_weights(hidden: int, seed: int) -> Weights:
    """Standard normal over the square root of H + I, float64."""
    rng, columns = np.random.default_rng(seed), hidden + INPUTS
    return Weights(rng.standard_normal((4, hidden, columns)) / np.sqrt(columns), rng.standard_normal((4, hidden)))


def differences(steps: int, hidden: int, *, seed: int = 0, backend: str | None = None) -> dict[str, float]:
    """Largest differences between the steps by hand and an `rnnfast.LSTM` with the same weights, by what differs."""
    weights = random_weights(hidden, seed)
    lstm = rnnfast.LSTM(INPUTS, hidden, dtype="float64", backend=backend)
    lstm.load_state_dict(weights.state_dict())
    x = np.random.default_rng(seed + 1).standard_normal((steps, BATCH, INPUTS))
    hs, cs = run(weights, x)
    y, (h, c), tape = lstm.record(x)
    stream = lstm.stream(batch=BATCH)
    streamed = np.stack([stream.step(x_t) for x_t in x])
    pairs = {
        "outputs": (y, hs),
        "cell states": (tape.cell_states[0], cs),
        "final states": (np.concatenate([h, c]), np.stack([hs[-1], cs[-1]])),
        "outputs of a stream, step by step": (streamed, hs),
    }
    return {name: float(np.abs(ours - by_hand).max()) for name, (ours, by_hand) in pairs.items()}


def _logistic(x: Array) -> Array:
    y: Array = (1 + np.tanh(x / 2)) / 2  # which cannot overflow
    return y


def show(*, backend: str, seed: int, steps: int, hidden: int) -> None:
    """Print how far the two are apart."""
    print(f"{steps} steps of an LSTM of {hidden} units by hand, and by rnnfast on the backend {backend}, float64:")
    for name, difference in differences(steps, hidden, seed=seed, backend=backend).items():
        print(f"largest difference of the {name}: {difference:.1e}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = command.parser("lstm_by_hand", __doc__)
    parser.add_argument("--steps", type=count, default=100, metavar="T", help="(default: 100)")
    parser.add_argument("--hidden", type=count, default=32, metavar="H", help="hidden units (default: 32)")
    return command.run(parser, arguments, show)


if __name__ == "__main__":
    sys.exit(main())
