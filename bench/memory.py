"""Checkpointing measured: the bytes that a tape keeps and the time of forward and backward, beside the full tape's.

    python bench/memory.py [--steps T] [--batch B] [--hidden H] [--backend NAME] [--threads N] [--output FILE]

Both take turns and the median of each counts, with the peak of the process's own arrays that Python sees. Gradients are
compared first: on the C backend they must be equal. The exit status is 1 where they differ, or where, at
10,000 steps or more, more than 5% of the bytes are kept or it takes more than 1.4 times as long.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tracemalloc
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from table import tell

import rnnfast
from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data, make_data
from rnnfast.benchmark.peer_rnnfast import net
from rnnfast.benchmark.suites import THREE
from rnnfast.benchmark.timing import Sampler, take_turns
from rnnfast.checks.command_line import count, positive

WAYS = ("full", "checkpoint")
SHARE, SLOWDOWN, FROM_STEPS = 0.05, 1.4, 10_000
"""The most that is allowed of the full tape's bytes and time, at so many steps and more."""
HEAD = f"{'cell':6}" + "".join(
    f"{name:>18}" for name in ("MB full", "checkpoint", "share", "s full", "checkpoint", "ratio")
)


def forward_and_backward(module: Any, data: Data, out: Any, way: str) -> Any:
    """Gradients, and the bytes that the tape kept."""
    state = data.states if len(data.states) > 1 else data.states[0]
    _, _, tape = module.record(data.x, state, memory=way)
    kept = tape.nbytes
    return tape.backward(data.dy, out=out), kept


def peak(module: Any, data: Data, out: Any, way: str) -> int:
    """Bytes of arrays that were allocated at once, results apart from y in `out`."""
    tracemalloc.start()
    forward_and_backward(module, data, out, way)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def measure(case: Case, backend: str, seconds: float) -> tuple[str, list[str]]:
    """A row of the table, and what is wrong with it."""
    module, data = net(case, backend), make_data(case)
    (out, full), (grads, kept) = (forward_and_backward(module, data, None, way) for way in WAYS)
    same = all(np.array_equal(a, b) for a, b in zip(out.arrays, grads.arrays, strict=True))
    peaks = [peak(module, data, out, way) for way in WAYS]
    work = {way: Sampler(partial(forward_and_backward, module, data, out, way)) for way in WAYS}
    times = [statistics.median(samples) for samples in take_turns(work, seconds).values()]
    share, ratio = kept / full, times[1] / times[0]
    wrong = [] if same or not backend.startswith("c") else [f"{case.cell}: other gradients than the full tape's"]
    if case.steps >= FROM_STEPS:
        wrong += [f"{case.cell}: keeps {share:.1%}, allowed {SHARE:.0%}"] * (share > SHARE)
        wrong += [f"{case.cell}: takes {ratio:.2f} times as long, allowed {SLOWDOWN}"] * (ratio > SLOWDOWN)
    cells = [f"{full / 1e6:.1f}", f"{kept / 1e6:.1f}", f"{share:.2%}", *(f"{t:.3f}" for t in times), f"{ratio:.2f}"]
    note = f"   peak {peaks[0] / 1e6:.0f} and {peaks[1] / 1e6:.0f} MB with y and scratch"
    return f"{case.cell.upper():6}" + "".join(f"{cell:>18}" for cell in cells) + note, wrong


def main() -> int:
    """Print the table, and keep it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("steps", FROM_STEPS), ("batch", 8), ("hidden", 256), ("threads", 1)):
        parser.add_argument(f"--{name}", type=count, default=default, help=f"default: {default}")
    parser.add_argument("--seconds", type=positive, default=60.0, help="for each cell (default: 60)")
    parser.add_argument("--backend", default="c", help="default: c")
    parser.add_argument("--output", type=Path, help="where the table goes too")
    options = parser.parse_args()
    rnnfast.set_num_threads(options.threads)
    head = f"T {options.steps}, B {options.batch}, I = H {options.hidden}, {options.backend}, float32", HEAD
    cases = [Case(cell, options.steps, options.batch, options.hidden, "training") for cell in THREE]
    rows = (measure(case, options.backend, options.seconds) for case in cases)
    return tell(head, options.threads, rows, options.output)


if __name__ == "__main__":
    sys.exit(main())
