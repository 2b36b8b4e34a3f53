"""What fraction of the processor's peak the kernels reach: `python bench/peak.py`, in an environment with rnnfast.

Peak is a loop of independent fused multiply-adds on registers alone, timed in turn with the nets in the same run. Flops
are those of the products, 2 G H (I + H) T B forward and three times that forward and backward; I = H, one layer.
Medians of alternating rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

import rnnfast
from rnnfast.backends import c

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def seconds(call: Callable[[], object]) -> float:
    """One call, by the clock."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure(cell: str, steps: int, batch: int, size: int, dtype: str, rounds: int) -> str:
    """A line of the table: GFLOP/s and fraction of peak, forward and forward + backward."""
    net = getattr(rnnfast, cell)(size, size, dtype=dtype, seed=0, backend="c")
    random = np.random.default_rng(0)
    x, dy = (random.standard_normal((steps, batch, size)).astype(dtype) for _ in range(2))
    flops = 2 * GATES[cell] * size * 2 * size * steps * batch
    calls = {"forward": lambda: net(x), "forward + backward": lambda: net.record(x)[2].backward(dy)}
    work = {"forward": flops, "forward + backward": 3 * flops}
    rates: dict[str, list[float]] = {"peak": [], **{name: [] for name in calls}}
    for _ in range(rounds):
        start = time.perf_counter()
        done = c.fma_loop(np.dtype(dtype), 2_000_000)
        rates["peak"].append(done / (time.perf_counter() - start) / 1e9)
        for name, call in calls.items():
            rates[name].append(work[name] / seconds(call) / 1e9)
    peak, *got = (float(np.median(rate)) for rate in rates.values())
    columns = (f"{rate:6.1f} GFLOP/s {rate / peak:4.0%}" for rate in got)
    return f"{cell:5} {dtype} T {steps} B {batch} H {size}: peak {peak:5.1f}, " + ", ".join(columns)


def main() -> None:
    """Print what was measured, and on what."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    rnnfast.set_num_threads(options.threads)
    print(rnnfast.show_config())
    print("columns: forward, forward + backward")
    for cell in GATES:
        for dtype in ("float32", "float64"):
            print(measure(cell, 100, 32, 256, dtype, options.rounds), flush=True)


if __name__ == "__main__":
    main()
