"""`rnnfast bench`: from the options to a plan, a run with a progress bar, and what is printed and written."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

import rnnfast
from rnnfast import dispatch
from rnnfast.benchmark import machine, peers, session
from rnnfast.benchmark.cases import Filter
from rnnfast.benchmark.options import Options
from rnnfast.benchmark.report import print_setting, print_tables
from rnnfast.benchmark.results import Measurement
from rnnfast.benchmark.suites import SUITES
from rnnfast.benchmark.summary import print_summary
from rnnfast.examples.errors import UserError

WIDTH = 140
"""Columns of a table that goes to a file."""


def run(options: Options) -> int:
    """Time what the options ask for; 1 if any candidate was wrong, else 0. Raises UserError."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    plan = _plan(options)
    setting = machine.describe([name for name in options.peers if name != "none"], plan.threads)
    print_setting(console, setting)
    found = _measure(plan, console)
    print_tables(console, found, plan.backends)
    print_summary(console, found, plan.backends)
    if options.json is not None:
        _write_json(options, setting, found, plan.backends)
    wrong = sum(len(measurement.wrong) for measurement in found)
    if wrong:
        console.print(f"{wrong} wrong results: no time is given for them", style="bold red")
    return 1 if wrong else 0


def _measure(plan: session.Plan, console: Console) -> list[Measurement]:
    found: list[Measurement] = []
    try:
        with _progress(console, len(plan.cases) * len(plan.threads)) as advance:
            for measurement in session.run(plan):
                found.append(measurement)
                advance(measurement)
    except KeyboardInterrupt:
        console.print("interrupted: what follows was measured until then")
    return found


def _plan(options: Options) -> session.Plan:
    session.check_threads(options.threads)
    wanted = Filter(options.cells, options.work, options.steps, options.batch, options.hidden, options.max_gflop)
    cases = tuple(replace(case, dtype=options.dtype) for case in SUITES[options.suite]() if wanted(case))
    if not cases:
        raise UserError(f"no case of the suite {options.suite!r} passes these filters: leave some of them out")
    names = [name for name in options.peers if name != "none" and peers.reason(name) is None]
    return session.Plan(cases, options.threads, _backends(options), tuple(names), options.seconds)


def _backends(options: Options) -> tuple[str, ...]:
    """Those asked for, else all that can run here but the reference; the first is what peers are held against."""
    if options.backends is None:
        able = [name for name, reason in rnnfast.backends().items() if reason is None and ":" not in name]
        return tuple(name for name in able if name != "reference") or ("reference",)
    for name in options.backends:
        try:
            dispatch.select(name)
        except (ValueError, RuntimeError) as error:
            raise UserError(f"--backends: {error}") from None
    return options.backends


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Callable[[Measurement], None]]:
    """A bar over the cases; it is drawn only when one is done, not to disturb the measurement."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, auto_refresh=False) as progress:
        task = progress.add_task("timing", total=total)
        progress.refresh()

        def advance(measurement: Measurement) -> None:
            progress.update(task, advance=1, description=str(measurement.case))
            progress.refresh()

        yield advance


def _write_json(options: Options, setting: dict[str, str], found: list[Measurement], backends: tuple[str, ...]) -> None:
    assert options.json is not None
    content = {
        "setting": setting,
        "suite": options.suite,
        "backends": backends,
        "cases": [measurement.record(backends) for measurement in found],
    }
    try:
        options.json.write_text(json.dumps(content, indent=1), encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {options.json}: {error.strerror or error}") from None
