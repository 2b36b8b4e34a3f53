"""Training with products of bfloat16 measured: a step, forward and backward, beside the same one in float32.

    python bench/precision.py [--steps T,..] [--batch B,..] [--hidden H,..] [--seconds S] [--threads N] [--output FILE]

Both take turns and the fastest step of each counts, which other work on the machine disturbs least. Gradients are
compared first: the exit status is 1 where one is further from float32's than 1e-2 of its norm, or where at B 32 and
H 256 or more float32 takes less than 1.5 times as long.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from table import tell

import rnnfast
from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data, make_data
from rnnfast.benchmark.timing import Sampler, take_turns
from rnnfast.checks.command_line import count, positive

KINDS: dict[str, Any] = {"lstm": rnnfast.LSTM, "gru": rnnfast.GRU, "rnn": rnnfast.RNN}
PRECISIONS = ("float32", "bfloat16")
WITHIN, GAIN = 1e-2, 1.5
HEAD = f"{'cell':10}{'sizes':22}" + "".join(f"{name:>12}" for name in ("ms float32", "bfloat16", "gain", "error"))


def train(module: Any, data: Data, out: Any) -> Any:
    """Gradients of x, of the state and of all parameters."""
    _, _, tape = module.record(data.x, data.states if len(data.states) > 1 else data.states[0])
    return tape.backward(data.dy, out=out)


def measure(case: Case, seconds: float) -> tuple[str, list[str]]:
    """A row of the table, and what is wrong with it."""
    made, data = KINDS[case.cell], make_data(case)
    nets = {name: made(case.hidden, case.hidden, seed=0, backend="c", precision=name) for name in PRECISIONS}
    found = {name: train(net, data, None) for name, net in nets.items()}
    pairs = zip(found["float32"].arrays, found["bfloat16"].arrays, strict=True)
    error = max(float(np.linalg.norm(b - a) / np.linalg.norm(a)) for a, b in pairs)
    work = {name: Sampler(partial(train, net, data, found[name])) for name, net in nets.items()}
    times = {name: min(samples) for name, samples in take_turns(work, seconds).items()}
    gain = times["float32"] / times["bfloat16"]
    sizes = f"T {case.steps} B {case.batch} H {case.hidden}"
    wrong = [f"{case.cell} {sizes}: error {error:.1e}, allowed {WITHIN}"] * (error > WITHIN)
    if case.batch >= 32 and case.hidden >= 256:
        wrong += [f"{case.cell} {sizes}: gain {gain:.2f}, at least {GAIN}"] * (gain < GAIN)
    cells = [*(f"{1e3 * t:.2f}" for t in times.values()), f"{gain:.2f}", f"{error:.1e}"]
    return f"{case.cell:10}{sizes:22}" + "".join(f"{cell:>12}" for cell in cells), wrong


def counts(text: str) -> list[int]:
    """Return numbers above 0 with commas between them."""
    return [count(part) for part in text.split(",")]


def main() -> int:
    """Print the table, and keep it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("steps", "16,128"), ("batch", "32"), ("hidden", "256,512")):
        parser.add_argument(f"--{name}", type=counts, default=counts(default), help=f"default: {default}")
    parser.add_argument("--threads", type=count, default=1, help="default: 1")
    parser.add_argument("--seconds", type=positive, default=5.0, help="for each case (default: 5)")
    parser.add_argument("--output", type=Path, help="where the table goes too")
    options = parser.parse_args()
    rnnfast.set_num_threads(options.threads)
    sizes = product(KINDS, options.hidden, options.batch, options.steps)
    cases = [Case(cell, steps, batch, hidden, "training") for cell, hidden, batch, steps in sizes]
    return tell([HEAD], options.threads, (measure(case, options.seconds) for case in cases), options.output)


if __name__ == "__main__":
    sys.exit(main())
