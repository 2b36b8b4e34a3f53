"""Times what calls on a device cost the host: until they return, and until the device is done; under two minutes.

    python bench/gpu_host.py

In a clone, with rnnfast[cuda] and a torch that has CUDA. Every tier, forward and training, tensors of torch, beside
torch's own nets (float32, TF32 off), whose results are compared first.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import rnnfast
from rnnfast.backends.cuda import devices
from rnnfast.backends.cuda.rows import scale_kernel

CASES = (
    ("LSTM", 64, 8, 64),
    ("GRU", 64, 8, 64),
    ("LSTM", 256, 8, 64),
    ("GRU", 256, 8, 64),
    ("RNN", 256, 32, 64),
    ("LSTM", 1024, 8, 64),
    ("LSTM", 1536, 8, 16),
)
"""Cell, H = I, B, T: tiers A, B and C of a large device."""
BUDGET = 100.0
"""Seconds after which no further case is begun."""
AT_ONCE = 20
"""Calls between two waits: fewer than would fill the queue of a stream, where starting begins to wait."""


def until_it_returns(call: Callable[[], Any], wait: Callable[[], Any], calls: int = 200) -> float:
    """Return the median microseconds until a call returns, none of them waiting for the device."""
    times = []
    for n in range(calls):
        if n % AT_ONCE == 0:
            wait()
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    wait()
    return statistics.median(times) * 1e6


def until_it_is_done(call: Callable[[], Any], wait: Callable[[], Any], calls: int = 30) -> float:
    """Return the median microseconds of a call and the wait for its end."""
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        wait()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def both(call: Callable[[], Any], wait: Callable[[], Any]) -> list[float]:
    """Return both times, after three calls that warm up."""
    for _ in range(3):
        call()
    wait()
    return [until_it_returns(call, wait), until_it_is_done(call, wait)]


def difference(torch: Any, found: Any, right: Any) -> float:
    """Return the relative difference of two tensors by their norms."""
    return float(torch.linalg.vector_norm(found - right) / torch.linalg.vector_norm(right))


def row(torch: Any, cell: str, size: int, batch: int, steps: int) -> str:
    """Measure one case; return its line of the table."""
    net, theirs = getattr(rnnfast, cell)(size, size, seed=1), getattr(torch.nn, cell)(size, size)
    theirs.load_state_dict({name: torch.as_tensor(a) for name, a in net.state_dict().items()})
    net, theirs = net.to("cuda"), theirs.to("cuda")
    values = np.random.default_rng(0).normal(size=(2, steps, batch, size)).astype(np.float32)
    x, dy = (torch.as_tensor(a, device="cuda") for a in values)
    y, _, tape = net.record(x)
    tier, grads = tape.ran_on[len("cuda: tier ")], tape.backward(dy)
    leaf = x.clone().requires_grad_()
    right = theirs(leaf)[0]
    right.backward(dy)
    pairs = [(y, right.detach()), (grads.x, leaf.grad)]
    pairs += [(grads.params[name], parameter.grad) for name, parameter in theirs.named_parameters()]
    worst = max(difference(torch, *pair) for pair in pairs)

    def forward_of_torch() -> None:
        with torch.no_grad():
            theirs(x)

    wait = torch.cuda.synchronize
    times = both(lambda: net(x), wait) + both(lambda: net.record(x)[2].backward(dy), wait)
    times += both(forward_of_torch, wait) + both(lambda: theirs(leaf)[0].backward(dy), wait)
    return f"{cell:5}{size:6}{batch:4}{steps:5}  {tier:4} {worst:9.1e}" + "".join(f"{t:9.0f}" for t in times)


def pieces(torch: Any) -> Iterator[str]:
    """Yield lines of the microseconds that pieces of a call cost the host."""
    device, wait = devices.device(), torch.cuda.synchronize
    a = torch.ones(64, device="cuda")
    launch = device.kernel(scale_kernel, np.float32).launch(1)
    left, to = torch.ones(64, 64, device="cuda"), torch.ones(64, 64, device="cuda")
    tried = {
        "a launch of ours": lambda: launch(0, a.data_ptr(), a.data_ptr(), 64),
        "memory made zero": lambda: device.driver.clear(a.data_ptr(), 256, 0),
        "torch.empty": lambda: torch.empty((64,), device="cuda"),
        "torch.mm into a tensor": lambda: torch.mm(left, left, out=to),
        "a view of a tensor": lambda: left.as_strided((32, 32), (64, 1), 0),
        "the context made current": lambda: device.current().__enter__(),
    }
    for name, call in tried.items():
        call()
        yield f"{name:26}{until_it_returns(call, wait, 1000):6.2f} us"


def main() -> None:
    """Print the table."""
    import torch

    start = time.monotonic()
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    print(f"{devices.device().name}; torch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}")
    for line in pieces(torch):
        print(line, flush=True)
    print("\nmicroseconds until a call returns | until it is done; error: of the worst result against torch's")
    groups = "".join(f"{name:>18}" for name in ("forward", "training", "torch's forward", "torch's training"))
    print(f"{'':35}{groups}\n{'cell':5}{'H':>6}{'B':>4}{'T':>5}  tier {'error':>9}" + "     host    whole" * 4)
    for case in CASES:
        if time.monotonic() - start > BUDGET:
            print("out of time: the rest was not measured")
            break
        print(row(torch, *case), flush=True)
    print(f"{time.monotonic() - start:.0f} s in all")


if __name__ == "__main__":
    main()
