"""Checks of calls that come again, two streams at once, and numbers of any size: for the CUDA kernels on a device.

What tests show in the emulator, where all streams are one and memory is written at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from agreement import promised
from support import Spec, copy_of, error, make_problem, run

import rnnfast
from rnnfast.backends.cuda import backend
from rnnfast.backends.reference import backend as reference
from rnnfast.problem import Array

Upload = Callable[[Array], Any]
Download = Callable[[Any], Array]
NETS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("LSTM", {"num_layers": 2, "bidirectional": True}),
    ("GRU", {}),
    ("GRU", {"reset_after": False}),
    ("RNN", {"nonlinearity": "relu"}),
)
EXTREMES: dict[str, dict[str, float]] = {
    "weights to 1000": {"weight_hh": 5000},
    "weights of 1e-30": {"weight_hh": 1e-30},
    "h0 to 1e6": {"h0": 5e5},
    "numbers of 1e-8": {"h0": 1e-8, "c0": 1e-8, "x": 1e-8},
}


def results_of(net: Any, rng: np.random.Generator, upload: Upload, download: Download, shape: tuple[int, int]) -> Any:
    """Return a call's results and gradients, of numbers that rng draws, as arrays in host memory."""
    steps, batch = shape
    x, dy = (
        upload(rng.normal(size=(steps, batch, n)).astype(np.float32)) for n in (net.net.input_size, net.net.output_size)
    )
    y, state, tape = net.record(x)
    grads = tape.backward(dy)
    states = state if isinstance(state, tuple) else (state,)
    return [download(a) for a in (y, *states, *grads.arrays)]


def check_repeated(
    upload: Upload, download: Download, sizes: tuple[int, ...], nets: Any = NETS, rounds: int = 6
) -> Iterator[str]:
    """Check that calls that come again write the bits of first calls; yield a line for each net."""
    for size in sizes:
        for kind, options in nets:
            made = [getattr(rnnfast, kind)(5, size, seed=1, **options).to("cuda") for _ in range(rounds + 1)]
            for seed, fresh in enumerate(made[1:]):
                pair = [
                    results_of(net, np.random.default_rng(seed), upload, download, (4, 3)) for net in (made[0], fresh)
                ]
                same = all(np.array_equal(found, right) for found, right in zip(*pair, strict=True))
                assert same, f"{kind} H {size} {options}: call {seed} has other bits than a first call"
            yield f"repeated: {kind} H {size} {options}: {rounds} calls with the bits of first ones"


def check_streams(torch: Any, size: int = 256, rounds: int = 30) -> str:
    """Check a net that two streams call at once, each result to the bit against a call alone."""
    net = rnnfast.LSTM(size, size, seed=1).to("cuda")
    streams = [torch.cuda.Stream() for _ in range(2)]
    xs = [torch.randn(64, 8, size, device="cuda") for _ in streams]
    right = [net(x)[0].clone() for x in xs]
    torch.cuda.synchronize()
    found: list[list[Any]] = [[], []]
    for _ in range(rounds):
        for n, stream in enumerate(streams):
            with torch.cuda.stream(stream):
                found[n].append(net(xs[n])[0])
    torch.cuda.synchronize()
    for n in range(2):
        assert all(torch.equal(y, right[n]) for y in found[n]), f"stream {n}: a call has other bits than one alone"
    return f"two streams at once: {2 * rounds} calls of LSTM H {size} have the bits of calls alone"


def check_extremes(sizes: tuple[int, ...], steps: int = 5) -> Iterator[str]:
    """Check numbers of any size: float32's limits or, where float32 itself is beyond them, 8 times its error."""
    for size in sizes:
        for cell in ("lstm", "gru", "rnn_tanh"):
            for name, factors in EXTREMES.items():
                problem = make_problem(Spec(cell, steps, 3, 5, size, bias=False), "float32")
                for field, factor in factors.items():
                    given = getattr(problem, field)
                    for each in given if isinstance(given, list) else [given][: given is not None]:
                        each *= np.float32(factor)
                truth = run(reference, copy_of(problem, "float64"))
                plain, found = run(reference, copy_of(problem)), run(backend, copy_of(problem))
                for result in [result for result in ("y", "h_n", "c_n") if result in truth]:
                    right, off = truth[result], error(found[result], truth[result])
                    allowed = max(promised(right, "float32"), 8 * error(plain[result], right))
                    assert off <= allowed, f"{cell} H {size}, {name}: {result} is {off:.1e} off, at most {allowed:.1e}"
            yield f"extremes: {cell} H {size}: {', '.join(EXTREMES)}"
