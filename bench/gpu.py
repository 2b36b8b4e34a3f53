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

from rnnfast.backends import numba_cuda  # noqa: E402
from rnnfast.backends.layers import weights_of  # noqa: E402
from rnnfast.cuda_kernels.device import Device  # noqa: E402
from rnnfast.cuda_kernels.layer import Layer  # noqa: E402
from rnnfast.cuda_kernels.plan import make_plan  # noqa: E402

CELLS = ("rnn_tanh", "rnn_relu", "rnn_linear", "lstm", "gru", "gru_before")
RAGGED = {"lengths": True, "mask": True, "resets": True, "recurrent_dropout": 0.3, "directions": 2}
SIZES, BATCHES, STEPS = (64, 128, 256, 512, 1024), (1, 8, 32, 128), (64, 512)
BUDGET = 400.0
"""Seconds after which no further case is timed."""


class Poisoned(Device):
    """A device whose new memory holds NaN: what a kernel should have written and did not is seen."""

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """As the name says."""
        return self.array(np.full(shape, np.nan, dtype))


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
        problem = make_problem(spec, dtype)
        tier = layer_of(device, problem).tier
        tiers[tier.name] = tiers.get(tier.name, 0) + 2
    return [f"tier {name}: {count} nets agree with the reference, twice" for name, count in sorted(tiers.items())]


def layer_of(device: Any, problem: Any) -> Layer:
    """The first layer and direction of a problem, on the device."""
    plan = make_plan(problem, 0, hold=False)
    return Layer(device, problem.cell, weights_of(problem, 0), plan, None)


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


def ours(device: Device, cell: str, size: int, batch: int, steps: int) -> tuple[str, float, float]:
    """The tier, and microseconds a step forward and with backward, of float32 arrays on the device."""
    problem = make_problem(Spec(cell, steps, batch, size, size), "float32")
    layer = layer_of(device, problem)
    x = device.array(problem.x.reshape(steps * batch, size))
    dy = device.array(problem.dy.reshape(steps * batch, size))
    zero = np.zeros((batch, size), np.float32)

    def forward() -> None:
        layer.forward(x, zero, zero)

    def both() -> None:
        forward()
        layer.backward(dy, zero, zero, found=False)
        layer.input_gradient()
        layer.weight_gradients()

    wait = device.cuda.synchronize
    return layer.tier.name, microseconds(forward, wait, steps), microseconds(both, wait, steps)


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


def table(device: Device, torch: Any) -> list[str]:
    """Microseconds a step; the ratio is that of cuDNN in float32, TF32 off, over ours."""
    kinds = ("fp32", "tf32", "fp16") if torch else ()
    columns = [f"{kind} {work}" for kind in ("ours", *kinds) for work in ("fwd", "f+b")]
    lines = [f"{'cell':9}{'T':>5}{'B':>5}{'H':>6} tier" + "".join(f"{c:>10}" for c in columns) + "   ratios"]
    start = time.monotonic()
    for cell, steps, size, batch in itertools.product(("lstm", "gru", "rnn_tanh"), STEPS, SIZES, BATCHES):
        if time.monotonic() - start > BUDGET:
            return [*lines, "out of time: the rest was not measured"]
        tier, *times = ours(device, cell, size, batch, steps)
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
    peer = f"torch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}" if torch else "no torch with CUDA here"
    lines = [device.name, peer, *lines, "", *table(device, torch)]
    output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
