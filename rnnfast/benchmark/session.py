"""A run: a worker process for each number of threads, every case through it, and all that was measured."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from rnnfast.benchmark import worker
from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.limits import loses
from rnnfast.benchmark.machine import usable_processors
from rnnfast.benchmark.pairs import PAIRS
from rnnfast.benchmark.results import Measurement
from rnnfast.examples.errors import UserError

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
"""Environment of workers: libraries that do not chat, and a reference whose BLAS stays on its processor."""


@dataclass(frozen=True)
class Plan:
    """Plan of a run: which cases are timed, on how many threads, with which backends of rnnfast and which peers.

    `seconds` is the time for each of them, checks and compilation apart. A case of a part that is one of pairs is timed
    with its pair alone; `absent` are such parts that cannot be timed here, with why.
    """

    cases: tuple[Case, ...]
    threads: tuple[int, ...]
    backends: tuple[str, ...]
    peers: tuple[str, ...]
    seconds: float
    absent: Mapping[str, str] = field(default_factory=dict)

    def candidates(self, case: Case) -> list[str]:
        """Return who runs a case, the one first that the others are held against."""
        pair = PAIRS.get(case.part)
        return [pair.ours, pair.theirs] if pair else [*self.backends, *self.peers]


def run(plan: Plan) -> Iterator[Measurement]:
    """Measure all cases, one after another."""
    for threads in plan.threads:
        for variables, cases in groupby(plan.cases, key=_variables):
            with started(threads, variables=dict(variables)) as submit:
                for case in cases:
                    names, probe = plan.candidates(case), case.part not in PAIRS
                    case = replace(case, threads=threads)
                    found = submit(worker.measure, case, names, names[0], plan.seconds, probe=probe)
                    yield submit(worker.add_limits, found) if loses(found, plan.backends) else found


def _variables(case: Case) -> tuple[tuple[str, str], ...]:
    pair = PAIRS.get(case.part)
    return pair.environment if pair else ()


@contextmanager
def started(
    threads: int, folder: Path | None = None, variables: Mapping[str, str] | None = None
) -> Iterator[Callable[..., Any]]:
    """A worker process with so many threads: what is given takes a function and its arguments and returns its result.

    `folder` holds another rnnfast for it to import, `variables` belong to its environment. Raises UserError where the
    process dies, naming the case it was at.
    """
    with _environment(QUIET | dict(variables or {})), _importing_from(folder):
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(1, context, initializer=worker.start, initargs=(threads,))
        ready = pool.submit(int)  # starts the process, which takes environment and sys.path with it
        try:
            ready.result()
        except BrokenProcessPool:
            raise UserError("the process that measures could not start") from None

    def submit(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        try:
            return pool.submit(function, *arguments, **options).result()
        except BrokenProcessPool:
            what = next((str(argument) for argument in arguments if isinstance(argument, Case)), function.__name__)
            raise UserError(f"the process that measures died at {what}: leave out what crashes with --peers") from None

    try:
        yield submit
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _importing_from(folder: Path | None) -> Iterator[None]:
    before = sys.path.copy()
    sys.path[:0] = [] if folder is None else [str(folder)]
    try:
        yield
    finally:
        sys.path[:] = before


def check_threads(threads: Sequence[int]) -> None:
    """Raise UserError for more threads than there are processors: their times would mean nothing."""
    usable = usable_processors()
    if max(threads) > usable:
        raise UserError(f"--threads {max(threads)} is more than the {usable} processors that this process may use")
