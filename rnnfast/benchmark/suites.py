"""The suites: the cases that each one is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import product

from rnnfast.benchmark.cases import Call, Case, Cell, Kind, Part, Work
from rnnfast.benchmark.deepbench import deepbench

STEPS, BATCHES, HIDDENS = (1, 16, 128, 1024), (1, 8, 32, 64), (32, 128, 256, 512, 1024)
"""The grid's axes."""
THREE: tuple[Cell, ...] = ("rnn", "lstm", "gru")
BOTH: tuple[Work, ...] = ("forward", "training")


def grid(
    steps: Iterable[int] = STEPS,
    batches: Iterable[int] = BATCHES,
    hiddens: Iterable[int] = HIDDENS,
    cells: Iterable[Cell] = THREE,
) -> Iterator[Case]:
    """Forward and training over these axes."""
    for cell, work, t, b, h in product(cells, BOTH, steps, batches, hiddens):
        yield Case(cell, t, b, h, work)


def quick() -> Iterator[Case]:
    """A few cases of the grid: one row and a full batch, in cache and beyond it."""
    for cell, work, steps, batch, hidden in product(THREE, BOTH, (16, 128), (1, 32), (32, 256)):
        yield Case(cell, steps, batch, hidden, work)


def step() -> Iterator[Case]:
    """The latency of one step for one row, at the sizes (I, H) of small streaming models."""
    for cell, (inputs, hidden) in product(THREE, ((8, 8), (24, 32), (128, 128), (256, 256))):
        yield Case(cell, 1, 1, hidden, "step", inputs)


def ragged() -> Iterator[Case]:
    """Unsorted lengths, uniform in 1..T, each case after the dense one that its time is held against."""
    return _pairs("ragged", steps=200, hiddens=(128, 256))


def subnormal() -> Iterator[Case]:
    """States and gradients in the subnormal numbers, each case after the one of ordinary numbers."""
    return _pairs("subnormal", steps=100, hiddens=(256,))


def overhead() -> Iterator[Case]:
    """Whole calls so small that what surrounds the arithmetic is most of them, as a user writes each one."""
    tiny = Case("lstm", 1, 1, 8, call="frozen(x)")
    yield replace(tiny, work="step", call="stream.step(x, out=)")
    yield replace(tiny, work="step", call="stream.step(x)")
    yield tiny
    yield replace(tiny, call="frozen(x, state)")
    yield replace(tiny, kind="ragged")
    yield replace(tiny, kind="resets")
    yield replace(tiny, call="module(x)")
    yield replace(tiny, call="cell(x, state)")
    training = replace(tiny, work="training", call="record, backward")
    for hidden in (8, 32, 128):
        yield replace(training, hidden=hidden, inputs=hidden)
    block = replace(training, steps=16, batch=8)
    yield from (block, replace(block, kind="resets"))


def torch() -> Iterator[Case]:
    """PyTorch's modules, plain and accelerated, by parts; in `linear` a GRU stands between layers of PyTorch."""
    for case in grid((1, 16, 128), (1, 8, 32), (32, 128, 256, 512)):
        yield replace(case, part="grid")
    for cell, work, sizes in product(THREE, BOTH, ((4, 1, 1024), (16, 8, 1024), (16, 128, 256), (4, 128, 1024))):
        yield Case(cell, *sizes, work, part="large")
    for cell, hidden in product(THREE, (128, 256)):
        yield Case(cell, 200, 32, hidden, "training", kind="ragged", part="packed")
    tiny = Case("lstm", 1, 1, 8, call="module(x)", part="calls")
    yield from (tiny, replace(tiny, call="frozen(x)"), replace(tiny, call="record"))
    yield replace(tiny, work="training", call="record, backward")
    for cell, batch, hidden in product(THREE, (1, 8, 32), (32, 128, 512)):
        yield Case(cell, 1, batch, hidden, "training", call="cell(x, state), backward", part="cells")
    calls: tuple[tuple[Work, Call], ...] = (
        ("forward", "linear, net, linear"),
        ("training", "linear, net, linear, backward"),
    )
    for steps, batch, hidden, (work, call) in product((16, 128), (1, 8, 32), (64, 256), calls):
        yield Case("gru", steps, batch, hidden, work, call=call, part="linear")


def integrations() -> Iterator[Case]:
    """Each integration beside what it replaces, by parts: those of `pairs.PAIRS`; of ONNX single steps as well.

    Those of RTNeural and NAM read files of programs that have no Python interface to be timed.
    """
    for cell, hidden in product(THREE, (8, 32, 64)):
        yield Case(cell, 1, 1, hidden, part="onnx")
    works: dict[Part, tuple[Work, ...]] = {"onnx": ("forward",), "pytorch": BOTH, "keras-numpy": ("forward",)}
    works |= {"keras-torch": ("training",), "jax": BOTH, "thinc": ("forward",)}
    for part, of_part in works.items():
        cells: tuple[Cell, ...] = ("lstm",) if part == "thinc" else THREE
        for cell, work, steps, (batch, hidden) in product(cells, of_part, (16, 128), ((1, 64), (1, 128), (8, 128))):
            yield Case(cell, steps, batch, hidden, work, part=part)


def weights() -> Iterator[Case]:
    """Inference whose time goes to reading weights: streams and sequences of one row, and several rows.

    Last of the LSTM's streams comes one whose W_hh of float32 is at least twice as large as the last cache, or as large
    as memory takes: every candidate has weights of its own, the check has them in float64.
    """
    from rnnfast.benchmark import machine  # not in every revision that times this one

    largest, beyond = max(machine.cache_sizes(machine.caches()).values(), default=0), 2048
    while 16 * beyond**2 < 2 * largest and 32 * 16 * (beyond + 256) ** 2 < machine.memory_bytes():
        beyond += 256
    for cell in ("lstm", "gru"):
        for hidden in (256, 384, 512, 1024, *([beyond] if cell == "lstm" else [])):
            yield Case(cell, 1, 1, hidden, "step")
        for steps, batch, hidden in (*product((32,), (1,), (256, 384, 512, 1024)), (16, 32, 512), (16, 32, 1024)):
            yield Case(cell, steps, batch, hidden)


def _pairs(kind: Kind, steps: int, hiddens: tuple[int, ...]) -> Iterator[Case]:
    for cell, work, hidden in product(THREE, BOTH, hiddens):
        dense = Case(cell, steps, 32, hidden, work)
        yield from (dense, replace(dense, kind=kind))


SUITES: dict[str, Callable[[], Iterator[Case]]] = {
    "grid": grid,
    "quick": quick,
    "deepbench": deepbench,
    "step": step,
    "overhead": overhead,
    "ragged": ragged,
    "subnormal": subnormal,
    "torch": torch,
    "integrations": integrations,
    "weights": weights,
}
