"""The table of whole calls: microseconds of each, every candidate side by side, and what lengths and resets add."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from rnnfast.benchmark import peers
from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.report import new_table, ratio_text
from rnnfast.benchmark.results import Measurement

LEGEND = (
    "Whole calls, results and all: medians of batches of calls and, in brackets, the fastest batch. "
    "ratio: the best peer's median over that of {ours}; above 1, {ours} is faster."
)


def print_calls(console: Console, found: Sequence[Measurement], backends: tuple[str, ...]) -> None:
    """Print a table for each setting of these measurements, all of calls, and what follows from them."""
    for setting in dict.fromkeys(row.case.setting for row in found):
        console.print(table([row for row in found if row.case.setting == setting], backends), "")
    console.print(LEGEND.format(ours=found[0].ours), soft_wrap=True, highlight=False)
    for line in (*bare(found), *added(found), *above(found, backends)):
        console.print(line, soft_wrap=True, highlight=False)


def table(rows: Sequence[Measurement], backends: tuple[str, ...]) -> Table:
    """Return a row for each call."""
    names = list(dict.fromkeys(name for row in rows for name in (*row.samples, *row.wrong)))
    peers = [name for name in names if name not in backends]
    ratio = ["ratio"] if peers else []
    made = new_table(f"{rows[0].case.setting}: µs", "call", "sizes", *names, *ratio, left=["call", "sizes"])
    for row in rows:
        sizes = f"T {row.case.steps} B {row.case.batch} H {row.case.hidden}"
        ratios = [ratio_text(row.ratio(backends))] if peers else []
        made.add_row(label(row.case), sizes, *(times_text(row, name) for name in names), *ratios)
    return made


def label(case: Case) -> str:
    """Return the call as a user writes it, e.g. "frozen(x, lengths=)"."""
    if not case.argument:
        return case.call
    return case.call.replace(")", f", {case.argument})") if ")" in case.call else f"{case.call}, {case.argument}"


def bare(found: Sequence[Measurement]) -> Iterator[str]:
    """Say what the least call of the C library costs."""
    samples = [seconds for row in found for seconds in row.bare]
    if samples:
        median, least = statistics.median(samples) * 1e6, min(samples) * 1e6
        yield f"A call of the C library that does next to nothing, through cffi: {median:.3f} µs ({least:.3f})."


def added(found: Sequence[Measurement]) -> Iterator[str]:
    """Say what lengths and resets add to each call that has them."""
    for row in found:
        pairs = [(name, row.added(name)) for name in row.samples]
        texts = [f"{name} {seconds * 1e6:+.1f} µs" for name, seconds in pairs if seconds is not None]
        if texts:
            what = f"{row.case.argument} adds to {row.case.call} at T {row.case.steps}, B {row.case.batch}"
            yield f"{what}, fastest batches in turn: {', '.join(texts)}."


def above(found: Sequence[Measurement], backends: tuple[str, ...]) -> Iterator[str]:
    """Say what a call inside another library costs above rnnfast's own, of calls that stand by themselves."""
    for row in found:
        own = next((name for name in backends if name in row.samples and name not in peers.INSIDE), None)
        if row.case.part not in ("", "calls") or own is None:
            continue
        beside = row.samples[own]
        for name in set(peers.INSIDE).intersection(row.samples):
            median, least = (1e6 * (of(row.samples[name]) - of(beside)) for of in (statistics.median, min))
            yield (
                f"{label(row.case)} costs {median:.1f} µs ({least:.1f}) more in {name} than by itself, "
                f"at T {row.case.steps}, B {row.case.batch}, H {row.case.hidden}, {row.case.threads} thread(s)."
            )


def times_text(row: Measurement, name: str) -> str:
    """Return the median and the least of a candidate's samples, "" where it has none."""
    if name in row.wrong:
        return "WRONG"
    median, least = row.seconds(name), row.minimum(name)
    return "" if median is None or least is None else f"{_microseconds(median)} ({_microseconds(least)})"


def _microseconds(seconds: float) -> str:
    """Return microseconds to three digits, and all those before the point."""
    return f"{seconds * 1e6:.{3 if seconds < 999.5e-6 else 4}g}"
