"""How a loss's gradient flows back through 500 steps of a net: where it vanishes, where it explodes, what keeps it.

The loss depends on the last output alone. For every step t the norm of its gradient by the state after t is drawn and,
for the first and the last step, printed. In an RNN that gradient takes one product with the recurrent weights for every
step: it vanishes or, where they are large, explodes (Bengio, Simard and Frasconi 1994). An LSTM's cell state c hands it
on times the forget gate f, and adds what comes back by way of h. At f = 1/2, where the usual initial values begin,
the first part halves at every step and the second does not make up for it: the gradient vanishes as an RNN's does.
With a forget bias of 3 or more f is near 1: a step takes little, and what comes by way of h makes up for it. "f alone"
is what the first part by itself would leave of the gradient after all steps, the mean of f to the power of T - 1.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import rnnfast
from rnnfast.checks.command_line import count
from rnnfast.diagnostics import gate_statistics, plot_gradient_flow
from rnnfast.examples import command, pictures
from rnnfast.problem import Array

BATCH, INPUTS = 16, 8
LARGE = 6
"""The factor of the recurrent weights of the RNN that explodes."""
FORGET_BIASES = (None, 1.0, 3.0, 5.0)


@dataclass(frozen=True)
class Flow:
    """The flow of the gradient through one net."""

    norms: dict[str, Array]
    """Norms (T,) of the loss's gradient by each state: h, for an LSTM also c."""
    forget: float | None
    """The mean of an LSTM's forget gates."""

    def by_forget_gates_alone(self) -> float | None:
        """The fraction of c's gradient that the forget gates alone leave at the first step.

        That is their mean to the power of the steps between.
        """
        return None if self.forget is None else self.forget ** (len(self.norms["c"]) - 1)

    def ratio(self, state: str) -> float:
        """The norm at the first step over that at the last."""
        return float(self.norms[state][0] / self.norms[state][-1])


def measure(steps: int = 500, hidden: int = 64, *, seed: int = 0, backend: str | None = None) -> dict[str, Flow]:
    """The flow through every net, by its name: the same random input and the same gradient by the last output."""
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal((steps, BATCH, INPUTS)), np.zeros((steps, BATCH, hidden))
    last = rng.standard_normal((BATCH, hidden))
    dy[-1] = last / np.linalg.norm(last)
    flows = {}
    for name, net in _nets(hidden, seed, backend):
        _, _, tape = net.record(x)
        forget = float(gate_statistics(tape)["f"].mean.mean()) if isinstance(net, rnnfast.LSTM) else None
        norms = tape.backward(dy, need_x=False, monitor=True).state_norms
        flows[name] = Flow({state: values[:, 0] for state, values in norms.items()}, forget)
    return flows


def _nets(hidden: int, seed: int, backend: str | None) -> Iterator[tuple[str, Any]]:
    # float64: what vanishes here would soon be beyond float32.
    options: dict[str, Any] = {"dtype": "float64", "seed": seed, "backend": backend}
    yield "tanh RNN", rnnfast.RNN(INPUTS, hidden, **options)
    large = rnnfast.RNN(INPUTS, hidden, **options)
    large.parameters["weight_hh_l0"] *= LARGE
    yield f"tanh RNN, recurrent weights x {LARGE}", large
    for bias in FORGET_BIASES:
        name = "LSTM, default biases" if bias is None else f"LSTM, forget_bias={bias:g}"
        yield name, rnnfast.LSTM(INPUTS, hidden, forget_bias=bias, **options)


def _print(flows: dict[str, Flow]) -> None:
    titles = f"{'last step':>10} {'first step':>10} {'first / last':>12} {'mean f':>7} {'f alone':>8}"
    print(f"{'net':32} {'by':2} {titles}")
    for name, flow in flows.items():
        for state, norms in flow.norms.items():
            row = f"{norms[-1]:10.1e} {norms[0]:10.1e} {flow.ratio(state):12.1e}"
            gates = f"{flow.forget:7.3f} {flow.by_forget_gates_alone():8.1e}" if state == "c" else f"{'':16}"
            print(f"{name:32} {state:2} {row} {gates}  {_verdict(flow.ratio(state))}")


def _verdict(ratio: float) -> str:
    return "vanishes" if ratio < 1e-6 else "explodes" if ratio > 1e6 else "survives"


def show(*, backend: str, seed: int, steps: int, hidden: int, output: Path) -> None:
    """Measure, print and draw."""
    pictures.prepare(output)
    print(f"loss on output {steps} alone; norm of its gradient by the state; backend {backend}")
    flows = measure(steps, hidden, seed=seed, backend=backend)
    _print(flows)
    # c for an LSTM: h's gradient is c's, as far as the output gates pass it on.
    figure = plot_gradient_flow({name: flow.norms.get("c", flow.norms["h"]) for name, flow in flows.items()})
    picture = output / "gradient_flow.png"
    figure.savefig(picture, dpi=120)
    print(f"saved: {picture}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = command.parser("gradient_flow", __doc__, output=True)
    parser.add_argument("--steps", type=count, default=500, metavar="T", help="time steps (default: 500)")
    parser.add_argument("--hidden", type=count, default=64, metavar="H", help="hidden units (default: 64)")
    return command.run(parser, arguments, show)


if __name__ == "__main__":
    sys.exit(main())
