"""Loops that measure the processor in turn with the candidates: rates for the roofline, and the cost of a bare call."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from rnnfast.backends.c import library as c
from rnnfast.backends.c import probes
from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.results import Measurement
from rnnfast.benchmark.roofline import Rates, bytes_of
from rnnfast.problem import Array

FMA_ROUNDS = 1_000_000
READ_BYTES = 1 << 27
"""Bytes that one sample of reading covers, in as many rounds as that takes."""
LARGEST_BUFFER = 1 << 28
"""Larger footprints are far beyond every cache: this much stands for them."""
PRODUCT_SIZE = 768
"""Rows and columns of the NumPy product that stands for the peak where the C library was not built."""

LINE = 64
"""Bytes of a line of the cache."""


class BareCall:
    """A call of the C library that does next to nothing: the least that any call through cffi costs."""

    def __init__(self) -> None:
        self.work: dict[str, Callable[[], Any]] = {} if c.reason() else {"bare": c.library()[1].rf_get_num_threads}

    def note(self, found: Measurement, samples: dict[str, list[float]]) -> None:
        """Write the samples where they belong."""
        found.bare = samples.get("bare", [])


class Probes:
    """The loops whose samples give the rates for one case; `work` by name, to be timed in turn with the candidates."""

    def __init__(self, case: Case, fill: float = 1.0) -> None:
        self._units: dict[str, float] = {}
        self.work: dict[str, Callable[[], Any]] = {}
        if c.reason() is not None:
            self._add("peak", 2.0 * PRODUCT_SIZE**3, _product(case))
            return
        moved, threads = bytes_of(case, fill), case.threads
        self._add("peak", threads * probes.fma_loop(case.dtype, FMA_ROUNDS), _peak(case))
        for name, footprint in (("recurrent", moved.recurrent), ("once", moved.once)):
            share = max(512, min(footprint, LARGEST_BUFFER) // threads)
            buffers = [_buffer(share) for _ in range(threads)]
            rounds = max(1, READ_BYTES // share)
            self._add(name, threads * probes.read_loop(buffers[0], rounds), _reading(buffers, rounds))

    def rates(self, seconds: dict[str, float]) -> Rates:
        """Return the rates from the seconds that each probe took."""
        return Rates(**{name: units / seconds[name] for name, units in self._units.items()})

    def note(self, found: Measurement, samples: dict[str, list[float]]) -> None:
        """Write the rates where they belong."""
        found.rates = self.rates({name: statistics.median(times) for name, times in samples.items()})

    def _add(self, name: str, units: float, work: Callable[[], Any]) -> None:
        self._units[name], self.work[name] = units, work


def _buffer(size: int) -> Array:
    """Return so many bytes that begin with a line of the cache."""
    data = np.empty(size + LINE, np.uint8)
    data[:] = 0  # pages that were never written all lie in one page of zeros
    start = -data.ctypes.data % LINE
    return data[start : start + size]


def _peak(case: Case) -> Callable[[], Any]:
    return _together([functools.partial(probes.fma_loop, case.dtype, FMA_ROUNDS)] * case.threads)


def _reading(buffers: list[Array], rounds: int) -> Callable[[], Any]:
    return _together([functools.partial(probes.read_loop, buffer, rounds) for buffer in buffers])


def _product(case: Case) -> Callable[[], Any]:
    a = np.ones((PRODUCT_SIZE, PRODUCT_SIZE), case.dtype)
    return lambda: a @ a


def _together(work: list[Callable[[], Any]]) -> Callable[[], Any]:
    """Return work that runs all of these at the same time, each on a thread of its own."""
    if len(work) == 1:
        return work[0]
    pool = ThreadPoolExecutor(len(work))
    return lambda: [done.result() for done in [pool.submit(each) for each in work]]
