"""The table of gpu.py: microseconds a step of ours and of cuDNN's nets, forward and with backward."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import rnnfast
from rnnfast.backends.cuda import devices

SIZES, BATCHES, STEPS = (64, 128, 256, 512, 1024), (1, 8, 32, 128), (64, 512)


def microseconds(run: Callable[[], Any], wait: Callable[[], Any], steps: int) -> float:
    """Return the microseconds of a step: the median of some runs, after two that compile and warm up."""
    for _ in range(2):
        run()
    wait()
    times = []
    for _ in range(7):
        start = time.perf_counter()
        run()
        wait()
        times.append(time.perf_counter() - start)
    return statistics.median(times) / steps * 1e6


def ours(torch: Any, cell: str, size: int, batch: int, steps: int) -> tuple[str, float, float]:
    """Return the tier, and microseconds a step forward and with backward, on arrays of torch's, else of Numba's."""
    net = {"lstm": rnnfast.LSTM, "gru": rnnfast.GRU, "rnn_tanh": rnnfast.RNN}[cell](size, size, seed=1).to("cuda")
    values = np.random.default_rng(0).normal(size=(2, steps, batch, size)).astype(np.float32)
    x, dy = (torch.as_tensor(a, device="cuda") if torch else cuda().to_device(a) for a in values)
    ran_on = net.record(x)[2].ran_on

    def both() -> None:
        net.record(x)[2].backward(dy)

    wait = cuda().synchronize
    return ran_on[len("cuda: tier ")], microseconds(lambda: net(x), wait, steps), microseconds(both, wait, steps)


def cuda() -> Any:
    """Return numba.cuda."""
    return devices.device().cuda


def cudnn(torch: Any, cell: str, size: int, batch: int, steps: int, kind: str) -> tuple[float, float]:
    """Return the same by torch: float32 with TF32 off or on, or float16."""
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


def table(torch: Any, until: float) -> Iterator[str]:
    """Yield lines of microseconds a step until the clock says so; ratios: cuDNN in float32, TF32 off, over ours."""
    kinds = ("fp32", "tf32", "fp16") if torch else ()
    columns = [f"{kind} {work}" for kind in ("ours", *kinds) for work in ("fwd", "f+b")]
    yield f"{'cell':9}{'T':>5}{'B':>5}{'H':>6} tier" + "".join(f"{c:>10}" for c in columns) + "   ratios"
    for steps, cell, size, batch in itertools.product(STEPS, ("lstm", "gru", "rnn_tanh"), SIZES, BATCHES):
        if time.monotonic() > until:
            yield "out of time: the rest was not measured"
            return
        tier, *times = ours(torch, cell, size, batch, steps)
        for kind in kinds:
            times += cudnn(torch, cell, size, batch, steps, kind)
        ratios = f"   {times[2] / times[0]:.2f} {times[3] / times[1]:.2f}" if torch else ""
        yield f"{cell:9}{steps:5}{batch:5}{size:6} {tier:>4}" + "".join(f"{t:10.2f}" for t in times) + ratios
