"""Speed of every backend with pytest-benchmark: by sequence length, by hidden size, DeepBench's shapes, small calls.

`pytest bench` runs them; bench/README.md says how to read what it prints.
"""

from __future__ import annotations

from typing import Any

import pytest

import rnnfast
from rnnfast.benchmark import check
from rnnfast.benchmark.cases import Case, Filter
from rnnfast.benchmark.data import make_data
from rnnfast.benchmark.deepbench import deepbench
from rnnfast.benchmark.peer_rnnfast import Backend
from rnnfast.benchmark.probes import BareCall
from rnnfast.benchmark.report_calls import label
from rnnfast.benchmark.suites import BOTH, HIDDENS, STEPS, THREE, overhead

REASONS = rnnfast.backends()
BACKENDS = [name for name in REASONS if ":" not in name]
BATCH, MIDDLE_STEPS, MIDDLE_HIDDEN = 32, 128, 128
"""Sizes that stay the same while T, or H, is varied."""
MAX_REFERENCE_GFLOP = 0.5
"""The reference is there to be right; larger cases would keep it busy for long."""

every_backend = pytest.mark.parametrize("backend", BACKENDS)
every_cell = pytest.mark.parametrize("cell", THREE)
both_works = pytest.mark.parametrize("work", BOTH)


@every_cell
@both_works
@pytest.mark.parametrize("steps", STEPS)
@every_backend
def test_by_sequence_length(benchmark: Any, cell: Any, work: Any, steps: int, backend: str) -> None:
    run(benchmark, Case(cell, steps, BATCH, MIDDLE_HIDDEN, work), backend)


@every_cell
@both_works
@pytest.mark.parametrize("hidden", HIDDENS)
@every_backend
def test_by_hidden_size(benchmark: Any, cell: Any, work: Any, hidden: int, backend: str) -> None:
    run(benchmark, Case(cell, MIDDLE_STEPS, BATCH, hidden, work), backend)


@pytest.mark.parametrize("case", list(filter(Filter(), deepbench())), ids=str)
@every_backend
def test_deepbench(benchmark: Any, case: Case, backend: str) -> None:
    run(benchmark, case, backend)


@pytest.mark.parametrize("case", list(overhead()), ids=lambda case: f"{label(case)} {case.shape}")
@every_backend
def test_overhead(benchmark: Any, case: Case, backend: str) -> None:
    run(benchmark, case, backend)


def test_overhead_of_the_least_call(benchmark: Any) -> None:
    if REASONS["c"]:
        pytest.skip(REASONS["c"])
    benchmark(BareCall().work["bare"])


def run(benchmark: Any, case: Case, backend: str) -> None:
    """Check the backend on the case, then time it; GFLOP/s go into the extra information."""
    if reason := REASONS[backend]:
        pytest.skip(reason)
    if case.forward_flops > (MAX_REFERENCE_GFLOP if backend == "reference" else Filter().max_gflop) * 1e9:
        pytest.skip(f"{case.forward_flops / 1e9:.0f} GFLOP forward take this backend too long")
    if REASONS["c"] is None:
        rnnfast.set_num_threads(case.threads)
    small = check.checked_case(case)
    assert check.fault(small, Backend(backend).prepare(small, make_data(small)).results()) is None
    prepared = Backend(backend).prepare(case, make_data(case))
    benchmark.group = str(case)
    benchmark(prepared.work)
    if benchmark.stats is not None:  # None with --benchmark-disable
        benchmark.extra_info["GFLOP/s"] = case.flops / benchmark.stats.stats.median / 1e9
