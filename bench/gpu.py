"""Checks the CUDA kernels on a device, then times them beside cuDNN: one table, in under eight minutes.

    python bench/gpu.py [--output FILE]

In a clone, with rnnfast[cuda] and, to compare with, a torch that has CUDA. Every result is checked against the
reference, twice, in memory that held NaN: the second time must give the same bits. Where there is no device the checks
run on small nets in the tests' emulator, and nothing is timed.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "tests"))

from agreement import assert_agrees  # noqa: E402
from support import Spec, make_problem, run  # noqa: E402

import rnnfast  # noqa: E402
from rnnfast.backends import numba_cuda  # noqa: E402
from rnnfast.cuda_kernels.device import Device  # noqa: E402
from rnnfast.cuda_kernels.shapes import CELLS as KERNELS  # noqa: E402
from rnnfast.cuda_kernels.tiers import choose  # noqa: E402

CELLS = ("rnn_tanh", "rnn_relu", "rnn_linear", "lstm", "gru", "gru_before")
RAGGED = {"lengths": True, "mask": True, "resets": True, "recurrent_dropout": 0.3, "directions": 2}
SIZES, BATCHES, STEPS = (64, 128, 256, 512, 1024), (1, 8, 32, 128), (64, 512)
BUDGET = 400.0
"""Seconds after which no further case is timed."""


class Poisoned(Device):
    """A device whose new memory holds NaN: what a kernel should have written and did not is seen."""

    def new(self, shape: tuple[int, ...], dtype: Any, stream: int) -> Any:
        """As the name says."""
        return self.upload(np.full(shape, np.nan if np.dtype(dtype).kind == "f" else -7, dtype), stream)


def check(device: Any, sizes: tuple[int, ...], batches: tuple[int, ...], steps: int) -> list[str]:
    """Every cell, type and size, dense and ragged, against the reference and against itself; which tiers ran."""
    numba_cuda.device = lambda: device  # type: ignore[assignment]
    tiers: dict[str, int] = {}
    for cell, dtype, size, batch in itertools.product(CELLS, ("float32", "float64"), sizes, batches):
        for options in ({}, RAGGED):
            spec = Spec(cell, steps, batch, 24, size, **options)
            first, second = (run(numba_cuda, make_problem(spec, dtype)) for _ in range(2))
            assert_agrees(first, spec, dtype)
            different = [name for name, a in first.items() if not np.array_equal(a, second[name], equal_nan=True)]
            if different:
                raise AssertionError(f"{spec} {dtype}: a second run gave other bits in {', '.join(different)}")
        tier = choose(device.limits, KERNELS[cell], size, np.dtype(dtype).itemsize, batch).name
        tiers[tier] = tiers.get(tier, 0) + 2
    return [f"tier {name}: {count} nets agree with the reference, twice" for name, count in sorted(tiers.items())]


def microseconds(work: Callable[[], Any], wait: Callable[[], Any], steps: int) -> float:
    """Of a step: the median of some runs, after two that compile and warm up."""
    for _ in range(2):
        work()
    wait()
    times = []
    for _ in range(7):
        start = time.perf_counter()
        work()
        wait()
        times.append(time.perf_counter() - start)
    return statistics.median(times) / steps * 1e6


def ours(torch: Any, cell: str, size: int, batch: int, steps: int) -> tuple[str, float, float]:
    """The tier, and microseconds a step forward and with backward, of float32 arrays of torch's, else of Numba's."""
    net = {"lstm": rnnfast.LSTM, "gru": rnnfast.GRU, "rnn_tanh": rnnfast.RNN}[cell](size, size, seed=1).to("cuda")
    values = np.random.default_rng(0).normal(size=(2, steps, batch, size)).astype(np.float32)
    x, dy = (torch.as_tensor(a, device="cuda") if torch else cuda().to_device(a) for a in values)
    ran_on = net.record(x)[2].ran_on

    def both() -> None:
        net.record(x)[2].backward(dy)

    wait = cuda().synchronize
    return ran_on[len("cuda: tier ")], microseconds(lambda: net(x), wait, steps), microseconds(both, wait, steps)


def cuda() -> Any:
    """numba.cuda."""
    return numba_cuda.device().cuda


def cudnn(torch: Any, cell: str, size: int, batch: int, steps: int, kind: str) -> tuple[float, float]:
    """The same by torch: float32 with TF32 off or on, or float16."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = kind == "tf32"
    dtype = torch.float16 if kind == "fp16" else torch.float32
    net = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn_tanh": torch.nn.RNN}[cell](size, size)
    net = net.to("cuda", dtype)
    x = torch.randn(steps, batch, size, device="cuda", dtype=dtype, requires_grad=True)

    def forward() -> None:
        with torch.no_grad():
            net(x)

    def both() -> None:
        y, _ = net(x)
        torch.autograd.backward(y, torch.ones_like(y))

    wait = torch.cuda.synchronize
    return microseconds(forward, wait, steps), microseconds(both, wait, steps)


def table(torch: Any) -> list[str]:
    """Microseconds a step; the ratio is that of cuDNN in float32, TF32 off, over ours."""
    kinds = ("fp32", "tf32", "fp16") if torch else ()
    columns = [f"{kind} {work}" for kind in ("ours", *kinds) for work in ("fwd", "f+b")]
    lines = [f"{'cell':9}{'T':>5}{'B':>5}{'H':>6} tier" + "".join(f"{c:>10}" for c in columns) + "   ratios"]
    start = time.monotonic()
    for cell, steps, size, batch in itertools.product(("lstm", "gru", "rnn_tanh"), STEPS, SIZES, BATCHES):
        if time.monotonic() - start > BUDGET:
            return [*lines, "out of time: the rest was not measured"]
        tier, *times = ours(torch, cell, size, batch, steps)
        for kind in kinds:
            times += cudnn(torch, cell, size, batch, steps, kind)
        ratios = f"   {times[2] / times[0]:.2f} {times[3] / times[1]:.2f}" if torch else ""
        lines.append(f"{cell:9}{steps:5}{batch:5}{size:6} {tier:>4}" + "".join(f"{t:10.2f}" for t in times) + ratios)
        print(lines[-1], flush=True)
    return lines


def cuda_torch() -> Any:
    """torch, if it is installed and sees the device."""
    try:
        import torch
    except ImportError:
        return None
    return torch if torch.cuda.is_available() else None


def main() -> None:
    """Check, measure, and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "gpu.txt", help="where the table goes")
    output = parser.parse_args().output
    if (reason := numba_cuda.reason()) is not None:
        from cuda_emulator import Emulator

        print(f"{reason}: small nets in the emulator")
        print("\n".join(check(Emulator(), (3, 9), (2,), 3)))
        return
    lines = check(Poisoned(), (17, 64, 200, 512), (1, 5), 12)
    print("\n".join(lines), flush=True)
    device, torch = Device(), cuda_torch()
    numba_cuda.device = lambda: device  # type: ignore[assignment]
    peer = f"torch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}" if torch else "no torch with CUDA here"
    lines = [device.name, peer, *lines, "", *table(torch)]
    output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
