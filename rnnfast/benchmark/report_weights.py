"""The tables of rounded weights: the times of each case beside those with weights of float32, and what they come to."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.limits import place
from rnnfast.benchmark.report import new_table, ratio_text
from rnnfast.benchmark.results import Measurement
from rnnfast.benchmark.roofline import bytes_of

SIZES = "cell", "work", "sizes", "threads"
LEGEND = (
    "Medians, of every candidate in turn with the same one on weights of float32 (in brackets, or in a column of its "
    "own). gain: the time of {ours} with weights of float32 over that with rounded ones. ratio: a library's time over "
    "that of {ours}, both with rounded weights; above 1, {ours} is faster. The FMA peak below is float32's, which "
    "processors that multiply bfloat16 or int8 themselves may exceed."
)


def print_weights(
    console: Console, found: Sequence[Measurement], backends: tuple[str, ...], caches: Mapping[str, int]
) -> None:
    """Print a table for each type of weights, then their means, and where more than weights was rounded.

    `caches`: bytes of the cache of each level, the last of which all threads share.
    """
    if not found:
        return
    for weights in dict.fromkeys(row.case.weights for row in found):
        console.print(table([row for row in found if row.case.weights == weights], backends), "")
    console.print(LEGEND.format(ours=found[0].ours), "", soft_wrap=True, highlight=False)
    console.print(means(found, backends, caches))
    for line in rounded(found):
        console.print(line, soft_wrap=True, highlight=False)


def table(rows: Sequence[Measurement], backends: tuple[str, ...]) -> Table:
    """Return a row for each case of a type of weights."""
    weights, ours = rows[0].case.weights, rows[0].ours
    names = list(dict.fromkeys(name for row in rows for name in (*row.samples, *row.wrong) if name != ours))
    columns = [column for name in names for column in (f"{name} (float32)", "ratio")]
    own = f"{ours} float32", f"{ours} {weights}", "gain"
    made = new_table(f"weights in {weights}: µs", *SIZES, *own, *columns, left=SIZES[:3])
    for row in rows:
        times = [_time(row, row.plain, ours), _time(row, row.samples, ours), ratio_text(row.over_float32())]
        for name in names:
            wide = _time(row, row.plain, name)
            times += [f"{_time(row, row.samples, name)}{wide and f' ({wide})'}", _ratio(row, name)]
        made.add_row(row.case.cell, row.case.work, row.case.shape, str(row.case.threads), *times)
    return made


def means(found: Sequence[Measurement], backends: tuple[str, ...], caches: Mapping[str, int]) -> Table:
    """Return geometric means and the least, of gains and of ratios to the best peer, by type of weights and group."""
    columns = "cases", "gain", "least", "beside the best peer", "least"
    made = new_table("geometric means", "weights", "rows", "threads", *columns, left=("weights", "rows"))
    groups: dict[tuple[str, str, str], list[Measurement]] = {}
    for row in found:
        key: tuple[str, str, str] = row.case.weights, group(row.case, caches), str(row.case.threads)
        groups.setdefault(key, []).append(row)
    for key, rows in sorted(groups.items()):
        gains, ratios = [row.over_float32() for row in rows], [row.ratio(backends) for row in rows]
        made.add_row(*key, str(len(rows)), *_mean_and_least(gains), *_mean_and_least(ratios))
    return made


def group(case: Case, caches: Mapping[str, int]) -> str:
    """Return which cases this one counts among: several rows, or one row, by where weights of float32 would lie.

    >>> group(Case("lstm", 1, 1, 2048, "step", weights="int8"), {"L2": 1 << 20, "L3": 1 << 25})
    'one, float32 beyond the caches'
    """
    if case.batch > 1:
        return "several"
    wide = case.plain or case
    moved = bytes_of(wide)
    step = moved.recurrent + (moved.once if case.steps == 1 else 0)
    return "one, float32 beyond the caches" if place(step, case.threads, caches) == "memory" else "one"


def rounded(found: Sequence[Measurement]) -> Iterator[str]:
    """Say which candidates round more than weights, what, and in which cases."""
    said: dict[tuple[str, str, str], list[Measurement]] = {}
    for row in found:
        for name, text in row.rounds.items():
            said.setdefault((row.case.weights, name, text), []).append(row)
    for (weights, name, text), rows in said.items():
        timed = [row for row in found if row.case.weights == weights and name in row.samples]
        cases = "all cases" if len(rows) == len(timed) else "; ".join(f"{r.case.cell} {r.case.shape}" for r in rows)
        yield f"{name}, weights in {weights}: {text}: {cases}"
    for weights in dict.fromkeys(row.case.weights for row in found):
        alone = [row for row in found if row.case.weights == weights and row.ours not in row.rounds]
        if alone:
            cases = "1 case" if len(alone) == 1 else f"{len(alone)} cases"
            yield f"{alone[0].ours}, weights in {weights}: in {cases} nothing else is rounded"


def _time(row: Measurement, samples: Mapping[str, Sequence[float]], name: str) -> str:
    """Return the median of a candidate's samples in microseconds, to three digits and all those before the point."""
    if name in row.wrong:
        return "WRONG" if samples is row.samples else ""
    if not samples.get(name):
        return ""
    microseconds = statistics.median(samples[name]) * 1e6
    return f"{microseconds:.3g}" if microseconds < 999.5 else f"{microseconds:.0f}"


def _ratio(row: Measurement, name: str) -> str:
    theirs, ours = row.seconds(name), row.seconds(row.ours)
    return ratio_text(None if theirs is None or ours is None else theirs / ours)


def _mean_and_least(values: Sequence[float | None]) -> tuple[str, str]:
    known = [value for value in values if value is not None]
    return (f"{statistics.geometric_mean(known):.2f}", f"{min(known):.2f}") if known else ("", "")
