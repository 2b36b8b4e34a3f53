"""The table of gpu.py: whole calls from Python beside torch's, forward and training, the most telling cases first."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from gpu_times import until_it_is_done, until_it_returns

import rnnfast

KINDS = ("float32", "tf32", "float16")
"""What torch computes in; float32 with TF32 off."""
SMALL = itertools.product((64, 512), (256, 64, 128), (8, 1, 32), ("LSTM", "GRU"))
CASES = (
    *((cell, size, batch, steps) for steps, size, batch, cell in SMALL),
    *itertools.product(("RNN",), (64, 256), (8, 32), (64,)),
    *itertools.product(("LSTM", "GRU"), (512, 1024), (8, 1), (64,)),
    ("LSTM", 256, 128, 64),
    ("LSTM", 1024, 128, 64),
    ("GRU", 1024, 32, 64),
    ("LSTM", 129, 8, 64),
    ("LSTM", 257, 8, 64),
    ("LSTM", 1536, 8, 16),
)
"""Cell, H = I, B, T."""
Calls = tuple[Callable[[], Any], Callable[[], Any]]
"""Forward alone, and training: forward and backward."""


def ours(torch: Any, case: tuple[str, int, int, int]) -> tuple[str, float, Calls]:
    """Return the tier, how far off the worst result is from torch's, relative to its norm, and our calls."""
    cell, size, batch, steps = case
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
    norm = torch.linalg.vector_norm
    worst = max(float(norm(found - wanted) / norm(wanted)) for found, wanted in pairs)
    return tier, worst, (lambda: net(x), lambda: net.record(x)[2].backward(dy))


def torchs(torch: Any, case: tuple[str, int, int, int], kind: str) -> Calls:
    """Return torch's calls."""
    cell, size, batch, steps = case
    set_tf32(torch, kind == "tf32")
    dtype = torch.float16 if kind == "float16" else torch.float32
    net = getattr(torch.nn, cell)(size, size).to("cuda", dtype)
    x = torch.randn(steps, batch, size, device="cuda", dtype=dtype, requires_grad=True)
    dy = torch.randn(steps, batch, size, device="cuda", dtype=dtype)
    wanted = (x, *net.parameters())

    def forward() -> None:
        with torch.inference_mode():
            net(x)

    return forward, lambda: torch.autograd.grad(net(x)[0], wanted, dy)


def set_tf32(torch: Any, on: bool) -> None:
    """Let torch's nets and products use TF32, or not."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = on


def row(torch: Any, case: tuple[str, int, int, int]) -> str:
    """Measure one case; return its line of the table."""
    cell, size, batch, steps = case
    wait = torch.cuda.synchronize
    set_tf32(torch, False)
    tier, worst, mine = ours(torch, case)
    times = []
    for call in mine:
        for _ in range(3):
            call()
        times += [until_it_returns(call, wait), until_it_is_done(call, wait)]
    peers = [[0.0] * len(KINDS), [0.0] * len(KINDS)]
    for n, kind in enumerate(KINDS):
        for work, call in enumerate(torchs(torch, case, kind)):
            for _ in range(2):
                call()
            peers[work][n] = until_it_is_done(call, wait, 15)
    set_tf32(torch, False)
    line = f"{cell:5}{size:5}{batch:4}{steps:5} {tier:>4} {worst:8.0e}"
    for work in range(2):
        host, whole = times[2 * work : 2 * work + 2]
        line += f" |{host:6.0f}{whole:7.0f}" + "".join(f"{t:8.0f}" for t in peers[work])
        line += f"{peers[work][0] / whole:7.2f}"
    return line


def table(torch: Any, until: float) -> Iterator[str]:
    """Yield lines, microseconds, until the clock says so."""
    group = f" |{'host':>6}{'whole':>7}" + "".join(f"{kind:>8}" for kind in KINDS) + f"{'ratio':>7}"
    yield "forward | training, each: ours until the call returns and until it is done, torch's until it is done in"
    yield "float32 with TF32 off, TF32 and float16, and torch's float32 over ours; diff: to torch's float32, worst"
    yield f"{'cell':5}{'H':>5}{'B':>4}{'T':>5} tier {'diff':>8}{group}{group}"
    for case in CASES:
        if time.monotonic() > until:
            yield "out of time: the rest was not measured"
            return
        yield row(torch, case)
