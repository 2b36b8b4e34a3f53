"""The tables: a row for each case, every candidate side by side, ratios, and fractions of roofline and peak."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby

from rich import box
from rich.console import Console
from rich.table import Table

from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.results import Measurement

RATIO = "ratio: the best peer's time over that of {ours}; above 1, {ours} is faster. "
LEGEND = (
    "roofline: the least time that this processor could need, from flops and bytes at rates measured in the same run, "
    "over the time of {ours}. peak: flops of {ours} over the peak of fused multiply-adds. On a busy machine "
    "rates vary, and fractions may exceed 100%."
)


def print_setting(console: Console, setting: Mapping[str, str]) -> None:
    """Print what shaped the times."""
    width = max(map(len, setting))
    for name, text in setting.items():
        console.print(f"{name:{width}}  {text}", markup=False, highlight=False, soft_wrap=True)


def print_tables(console: Console, found: Sequence[Measurement], backends: tuple[str, ...]) -> None:
    """Print one table for each cell, work, dtype and number of threads."""
    for _, group in groupby(found, key=lambda row: row.case.setting):
        rows = list(group)
        console.print(table(rows, backends), "")
    if found:
        ratio = RATIO if any(row.ratio(backends) for row in found) else ""
        console.print(("Medians. " + ratio + LEGEND).format(ours=found[0].ours), soft_wrap=True, highlight=False)


def table(rows: Sequence[Measurement], backends: tuple[str, ...]) -> Table:
    """Return the times of cases that differ in their sizes alone."""
    case = rows[0].case
    names = list(dict.fromkeys(name for row in rows for name in (*row.samples, *row.wrong)))
    peers = [name for name in names if name not in backends]
    unit, scale = ("µs", 1e6) if case.work == "step" else ("ms", 1e3)
    fractions = [*(["ratio"] if peers else []), "roofline", "peak"]
    made = new_table(f"{case.setting}: {unit}", "T", "B", "H", *names, *fractions)
    for row in rows:
        times = [_time(row, name, scale) for name in names]
        ratio = [ratio_text(row.ratio(backends))] if peers else []
        made.add_row(*_sizes(row.case), *times, *ratio, _percent(row.roofline), _percent(row.peak))
    return made


def new_table(title: str, *columns: str, left: Collection[str] = ()) -> Table:
    """Return an empty table; columns are flushed right but for those named in `left`."""
    made = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for name in columns:
        made.add_column(name, justify="left" if name in left else "right")
    return made


def print_notes(console: Console, found: Iterable[Measurement]) -> None:
    """Print why candidates were not timed: each reason once, and every wrong result."""
    reasons = dict.fromkeys((name, row.case.work, why) for row in found for name, why in row.skipped.items())
    for name, work, why in reasons:
        console.print(f"{name}, {work}: not timed, {why}", markup=False, highlight=False, soft_wrap=True)
    for row in found:
        for name, why in row.wrong.items():
            console.print(f"WRONG: {name} on {row.case}: {why}", markup=False, highlight=False, soft_wrap=True)


def _sizes(case: Case) -> tuple[str, str, str]:
    inputs = "" if case.inputs == case.hidden else f" (I {case.inputs})"
    kind = "" if case.kind == "dense" else f" {case.kind}"
    return str(case.steps), f"{case.batch}{kind}", f"{case.hidden}{inputs}"


def _time(row: Measurement, name: str, scale: float) -> str:
    if name in row.wrong:
        return "WRONG"
    seconds = row.seconds(name)
    return "" if seconds is None else f"{seconds * scale:.4g}"


def ratio_text(ratio: float | None) -> str:
    """Return a ratio in green where it is at least 1, else in red; "" for None."""
    if ratio is None:
        return ""
    colour = "green" if ratio >= 1 else "red"
    return f"[{colour}]{ratio:.2f}[/{colour}]"


def _percent(fraction: float | None) -> str:
    return "" if fraction is None else f"{fraction:.0%}"
