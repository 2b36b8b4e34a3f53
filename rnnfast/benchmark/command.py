"""`rnnfast bench`: from the options to a plan, a run with a progress bar, and what is printed and written."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from rnnfast.benchmark import limits, machine, peers, revision, session, stored
from rnnfast.benchmark.options import Options
from rnnfast.benchmark.pairs import PAIRS
from rnnfast.benchmark.planning import check_destinations, make_plan, usual_peers
from rnnfast.benchmark.plots import save_plots
from rnnfast.benchmark.report import print_notes, print_setting, print_tables
from rnnfast.benchmark.report_calls import print_calls
from rnnfast.benchmark.report_pairs import print_absent, print_pairs
from rnnfast.benchmark.report_weights import print_weights
from rnnfast.benchmark.results import Measurement
from rnnfast.benchmark.summary import print_summary
from rnnfast.examples.errors import UserError

WIDTH = 140
"""Columns of a table that goes to a file."""


def run(options: Options) -> int:
    """Time what the options ask for, or show an earlier run; 1 if any candidate was wrong, else 0. Raises UserError."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    found = _timed(options, console) if options.read is None else _read(options, options.read, console)
    wrong = sum(len(measurement.wrong) for measurement in found)
    if wrong:
        console.print(f"{wrong} wrong results: no time is given for them", style="bold red")
    return 1 if wrong else 0


def _timed(options: Options, console: Console) -> Sequence[Measurement]:
    """Time what the options ask for, and show it."""
    plan = make_plan(options)
    check_destinations(options)
    shown = usual_peers(options) if options.peers is None and options.suite != "integrations" else plan.peers
    inside = [name for name in plan.backends if name in peers.INSIDE]
    setting = machine.describe([] if options.base else [*shown, *inside[:1]], plan.threads)
    print_setting(console, setting)
    found: list[Measurement] = []
    try:
        with _measurements(plan, options.base, console) as measurements:
            for measurement in _shown(measurements, len(plan.cases) * len(plan.threads), console):
                found.append(measurement)
    finally:  # what was measured until Ctrl-C, or until a library crashed, is worth having too
        made = stored.Run(setting, options.suite, plan.backends, plan.absent, found)
        _report(made, console)
        _write(options, made, console)
    return found


def _read(options: Options, path: Path, console: Console) -> Sequence[Measurement]:
    """Show what an earlier run wrote into a file."""
    if options != Options(read=path, plot=options.plot):
        raise UserError("--read shows what was timed before: leave out all options but --plot")
    run = stored.read(path)
    check_destinations(options)
    print_setting(console, run.setting)
    _report(run, console)
    _write(options, run, console)
    return run.cases


def _report(run: stored.Run, console: Console) -> None:
    """Print the tables, which limits losing cases are at, and why there are gaps."""
    backends, caches = run.backends, machine.cache_sizes(run.setting["caches"])
    print_weights(console, [measurement for measurement in run.cases if measurement.case.weights], backends, caches)
    found = [measurement for measurement in run.cases if not measurement.case.weights]
    print_pairs(console, [measurement for measurement in found if measurement.case.part in PAIRS], backends)
    if calls := [measurement for measurement in found if measurement.case.call]:
        print_calls(console, calls, backends)
    if works := [row for row in found if not row.case.call and row.case.part not in PAIRS]:
        print_tables(console, works, backends)
    if means := [measurement for measurement in found if measurement.case.part or not measurement.case.call]:
        print_summary(console, means, backends)
    for line in limits.lines(run.cases, backends, caches):
        console.print(line, soft_wrap=True, highlight=False)
    print_notes(console, run.cases)
    print_absent(console, run.absent)


@contextmanager
def _measurements(plan: session.Plan, base: str | None, console: Console) -> Iterator[Iterable[Measurement]]:
    """Give the measurements, one after another: beside peers, or beside the base revision, which is built first."""
    if base is None:
        yield session.run(plan)
        return
    commit = revision.commit_of(base)
    console.print(f"building {base}, which takes a minute or two")
    with revision.built(commit) as (folder, label):
        yield revision.run_against(plan, folder, label)


def _shown(measurements: Iterable[Measurement], total: int, console: Console) -> Iterator[Measurement]:
    """Pass them on, with a bar that is drawn only when a case is done, not to disturb the next one."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, auto_refresh=False) as progress:
        task = progress.add_task("timing", total=total)
        progress.refresh()
        for measurement in measurements:
            progress.update(task, advance=1, description=str(measurement.case))
            progress.refresh()
            yield measurement


def _write(options: Options, run: stored.Run, console: Console) -> None:
    """Write the JSON file and the pictures, where asked for."""
    try:
        if options.json is not None:
            stored.write(options.json, run)
            _announce(console, [options.json])
        if options.plot is not None:
            _announce(console, save_plots(options.plot, run.cases, run.backends, run.setting))
    except OSError as error:
        raise UserError(f"cannot write {error.filename}: {error.strerror or error}") from None


def _announce(console: Console, paths: list[Path]) -> None:
    for path in paths:
        console.print(f"saved: {path}", soft_wrap=True, highlight=False)
