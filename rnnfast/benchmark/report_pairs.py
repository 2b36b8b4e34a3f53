"""The table of pairs: the time of each call with rnnfast inside a library beside the library's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from rnnfast.benchmark.pairs import PAIRS
from rnnfast.benchmark.report import new_table, ratio_text
from rnnfast.benchmark.report_calls import times_text
from rnnfast.benchmark.results import Measurement

COLUMNS = "cell", "work", "sizes", "threads", "rnnfast", "without", "ratio", "of fastest"
LEGEND = (
    "Whole calls: medians of batches of calls and, in brackets, the fastest batch. "
    "ratio: the time without rnnfast over that with it, of the medians and of the fastest; above 1, rnnfast is faster."
)


def print_pairs(console: Console, found: Sequence[Measurement], backends: tuple[str, ...]) -> None:
    """Print a table for each part."""
    for part in dict.fromkeys(row.case.part for row in found):
        console.print(table([row for row in found if row.case.part == part], backends), "")
    if found:
        console.print(LEGEND, soft_wrap=True, highlight=False)


def table(rows: Sequence[Measurement], backends: tuple[str, ...]) -> Table:
    """Return a row for each case of a part."""
    pair = PAIRS[rows[0].case.part]
    made = new_table(f"{rows[0].case.part}, beside {pair.theirs}: µs", *COLUMNS, left=("cell", "work", "sizes"))
    for row in rows:
        case, names = row.case, (pair.ours, pair.theirs)
        ratios = [ratio_text(ratio) for ratio in (row.ratio(backends), _of_fastest(row, *names))]
        times = [times_text(row, name) for name in names]
        made.add_row(case.cell, case.work, case.shape, str(case.threads), *times, *ratios)
    return made


def print_absent(console: Console, absent: Mapping[str, str]) -> None:
    """Print the parts that were left out, each with why."""
    for part, reason in absent.items():
        console.print(f"{part}: not timed, {reason}", markup=False, highlight=False, soft_wrap=True)


def _of_fastest(row: Measurement, ours: str, theirs: str) -> float | None:
    with_it, without = row.minimum(ours), row.minimum(theirs)
    return None if with_it is None or without is None else without / with_it
