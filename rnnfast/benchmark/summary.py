"""The sum of a run: geometric means of the ratios with the worst cases, gain from threads, cost of odd inputs."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from rich.console import Console
from rich.table import Table

from rnnfast.benchmark.report import new_table
from rnnfast.benchmark.results import Measurement

WORST = 3
"""How many of the worst cases are named."""
COLUMNS = ("cell", "work", "threads", "cases", "geometric mean", "worst")
TEXTS = ("cell", "work", "worst")


def print_summary(console: Console, found: Sequence[Measurement], backends: tuple[str, ...]) -> None:
    """Print all that applies to these measurements."""
    for made in (ratios(found, backends), gains(found), costs(found)):
        if made.row_count:
            console.print(made)


def ratios(found: Sequence[Measurement], backends: tuple[str, ...]) -> Table:
    """Return how many times faster than the best peer we are."""
    made = new_table("ratio to the best peer", *COLUMNS, left=TEXTS)
    for names, rows in _groups(found):
        pairs = [(ratio, row) for row in rows if (ratio := row.ratio(backends)) is not None]
        if pairs:
            made.add_row(*names, *_mean_and_worst(pairs))
    return made


def gains(found: Sequence[Measurement]) -> Table:
    """Return how many times faster more threads are than one, on the cases that were timed with both."""
    made = new_table("times faster than on one thread", *COLUMNS, left=TEXTS)
    single = {row.case: row.seconds(row.ours) for row in found if row.case.threads == 1}
    for names, rows in _groups(found):
        pairs = []
        for row in rows:
            one, more = single.get(replace(row.case, threads=1)), row.seconds(row.ours)
            if row.case.threads > 1 and one is not None and more is not None:
                pairs.append((one / more, row))
        if pairs:
            made.add_row(*names, *_mean_and_worst(pairs))
    return made


def costs(found: Sequence[Measurement]) -> Table:
    """Return the times of odd inputs over those of ordinary ones of the same sizes, the live fraction counted in."""
    made = new_table("time / (live fraction × time of ordinary input)", "case", "live", "cost", left=("case", "cost"))
    ordinary = {row.case: row for row in found if row.case.kind == "dense"}
    for row in found:
        twin = ordinary.get(replace(row.case, kind="dense"))
        if row.case.kind != "dense" and twin is not None:
            made.add_row(str(row.case), f"{row.fill:.2f}", ", ".join(_costs(row, twin)))
    return made


def _costs(row: Measurement, twin: Measurement) -> Iterator[str]:
    for name in row.samples:
        seconds, dense = row.seconds(name), twin.seconds(name)
        if seconds is not None and dense is not None:
            yield f"{name} {seconds / (row.fill * dense):.2f}"


def _groups(found: Sequence[Measurement]) -> Iterator[tuple[tuple[str, str, str], list[Measurement]]]:
    """Group them by cell, work, the suite's part, the type of numbers where it is not float32, and threads."""

    def key(row: Measurement) -> tuple[str, str, str]:
        case = row.case
        details = (case.work, case.part, "" if case.dtype == "float32" else case.dtype)
        return case.cell, ", ".join(filter(None, details)), str(case.threads)

    for names, rows in groupby(sorted(found, key=key), key=key):
        yield names, list(rows)


def _mean_and_worst(pairs: list[tuple[float, Measurement]]) -> tuple[str, str, str]:
    """Return how many there are, their geometric mean, and the lowest with their sizes."""
    lowest = sorted(pairs, key=lambda pair: pair[0])[:WORST]
    worst = [f"{value:.2f} ({row.case.shape}{_roofline(row)})" for value, row in lowest]
    return str(len(pairs)), f"{statistics.geometric_mean(value for value, _ in pairs):.2f}", "\n".join(worst)


def _roofline(row: Measurement) -> str:
    return "" if row.roofline is None else f", {row.roofline:.0%} of roofline"
