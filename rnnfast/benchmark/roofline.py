"""The roofline: the least time that this processor could need for a case, from rates measured in the same run.

A case takes at least as long as its flops at the rate of multiply-adds on registers alone, and at least as long as its
bytes at the rate of reading:

- W_hh is read anew at every step, once forward and once more backward, since nothing closer than the cache that holds
  it keeps it from step to step: T times its bytes, at the rate measured on a buffer of just that size, which tells by
  itself what level of cache or memory that is. Each thread reads its own share of it.
- Everything else is read or written once: W_ih, x and y; in training also dy and dx, x, y and W_ih a second time, the
  gates (and c of an LSTM) written and read back, the gradients of the weights. At the rate of a buffer of that size,
  writing being counted as fast as reading.

Both are bounds for a schedule that goes step by step and lets all rows of a step share one reading of W_hh.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast.backends.c import backend as c
from rnnfast.backends.c.memory import Block
from rnnfast.benchmark.cases import Case

FMA_ROUNDS = 1_000_000
READ_BYTES = 1 << 27
"""What one sample of reading covers, in as many rounds as that takes."""
LARGEST_BUFFER = 1 << 28
"""Larger footprints are far beyond every cache: this much stands for them."""
PRODUCT_SIZE = 768
"""Rows and columns of the NumPy product that stands for the peak where the C library was not built."""


@dataclass(frozen=True)
class Bytes:
    """What a case moves: `recurrent` that it reads `times` over, and `once` that it reads or writes once."""

    recurrent: int
    times: int
    once: int


def bytes_of(case: Case, fill: float = 1.0) -> Bytes:
    """The model above for a case, of whose steps the fraction `fill` is live."""
    gates, hidden, inputs, size = case.gates, case.hidden, case.inputs, case.itemsize
    rows = case.steps * case.batch * fill
    w_ih, w_hh = gates * hidden * inputs, gates * hidden * hidden
    once = w_ih + rows * (inputs + hidden)
    if case.work == "training":
        saved = gates + (1 if case.cell == "lstm" else 0)
        once += once + rows * (hidden + inputs) + 2 * rows * saved * hidden + w_ih + w_hh
    passes = 2 if case.work == "training" else 1
    return Bytes(w_hh * size, case.steps * passes, int(once * size))


@dataclass(frozen=True)
class Rates:
    """What the processor was measured to do with the case's threads: flop/s, and bytes/s for both footprints."""

    peak: float
    recurrent: float | None = None
    once: float | None = None


def least_seconds(case: Case, rates: Rates, fill: float = 1.0) -> float:
    """The case's roofline; of computing alone where the rates of reading are not known."""
    moved, compute = bytes_of(case, fill), case.flops * fill / rates.peak
    if rates.recurrent is None or rates.once is None:
        return compute
    return max(compute, moved.recurrent * moved.times / rates.recurrent + moved.once / rates.once)


class Probes:
    """The loops whose samples give the rates for one case; `work` by name, to be timed in turn with the candidates."""

    def __init__(self, case: Case, fill: float = 1.0) -> None:
        self._units: dict[str, float] = {}
        self.work: dict[str, Callable[[], Any]] = {}
        if c.reason() is not None:
            self._add("peak", 2.0 * PRODUCT_SIZE**3, _product(case))
            return
        moved, threads = bytes_of(case, fill), case.threads
        self._add("peak", threads * c.fma_loop(case.dtype, FMA_ROUNDS), _peak(case))
        for name, footprint in (("recurrent", moved.recurrent), ("once", moved.once)):
            share = max(512, min(footprint, LARGEST_BUFFER) // threads)
            buffers = [_buffer(share) for _ in range(threads)]
            rounds = max(1, READ_BYTES // share)
            self._add(name, threads * c.read_loop(buffers[0], rounds), _reading(buffers, rounds))

    def rates(self, seconds: dict[str, float]) -> Rates:
        """From the seconds that each probe took."""
        return Rates(**{name: units / seconds[name] for name, units in self._units.items()})

    def _add(self, name: str, units: float, work: Callable[[], Any]) -> None:
        self._units[name], self.work[name] = units, work


def _buffer(size: int) -> Any:
    data = Block(size).bytes
    data[:] = 0  # pages that were never written all lie in one page of zeros
    return data


def _peak(case: Case) -> Callable[[], Any]:
    return _together([functools.partial(c.fma_loop, case.dtype, FMA_ROUNDS)] * case.threads)


def _reading(buffers: list[Any], rounds: int) -> Callable[[], Any]:
    return _together([functools.partial(c.read_loop, buffer, rounds) for buffer in buffers])


def _product(case: Case) -> Callable[[], Any]:
    a = np.ones((PRODUCT_SIZE, PRODUCT_SIZE), case.dtype)
    return lambda: a @ a


def _together(work: list[Callable[[], Any]]) -> Callable[[], Any]:
    """All of these at the same time, each on a thread of its own."""
    if len(work) == 1:
        return work[0]
    pool = ThreadPoolExecutor(len(work))
    return lambda: [done.result() for done in [pool.submit(each) for each in work]]
