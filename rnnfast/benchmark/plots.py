"""Pictures of a run: heat maps of ratio and roofline over T and H, lines of speed over H and over T."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from rnnfast.benchmark import machine
from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.results import Measurement

COLOURS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#D55E00", "#CC79A7", "#0072B2")
"""Okabe and Ito's, which the colour-blind can tell apart."""
MARKERS = "os^Dvp*"
DPI = 120
RATIOS = (1 / 4, 1 / 2, 1, 2, 4)
Kind = tuple[str, Callable[[Measurement], "float | None"], str, Normalize, str, "tuple[float, ...] | None"]
"""A heat map's label, value, colours, their range, the format of its numbers, and the ticks of its colour bar."""


def save_plots(
    folder: Path, found: Sequence[Measurement], backends: tuple[str, ...], setting: Mapping[str, str]
) -> list[Path]:
    """Write two PNGs for each cell, work, dtype, type of weights and number of threads; their paths.

    Only dense sequences are drawn.

    `setting` has the name of the processor, which stands in titles and file names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    saved = []
    dense = [
        row
        for row in found
        if row.case.kind == "dense" and row.case.work != "step" and not row.case.call and row.samples
    ]
    names = dict.fromkeys(name for row in dense for name in row.samples)
    styles = {
        name: {"color": colour, "marker": marker} for name, colour, marker in zip(names, COLOURS, MARKERS, strict=False)
    }
    for _, group in groupby(dense, key=lambda row: row.case.setting):
        rows = list(group)
        case, where = rows[0].case, machine.label(setting, rows[0].ours)
        dtype = "-".join(filter(None, (case.dtype, case.weights)))
        name = f"{_slug(where)}-{case.cell}-{case.work}-{dtype}-{case.threads}"
        for kind, figure in (("heat", _heat_maps(rows, backends)), ("speed", _lines(rows, styles))):
            figure.suptitle(f"{where}\n{case.setting}")
            saved.append(folder / f"{kind}-{name}.png")
            figure.savefig(saved[-1], dpi=DPI)
    return saved


def _slug(text: str) -> str:
    """Return the words of a text for the name of a file."""
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"\((r|tm)\)", "", text.lower())).strip("-")


def _heat_maps(rows: list[Measurement], backends: tuple[str, ...]) -> Figure:
    """A column for each B: the ratio to the best peer above the fraction of the roofline."""
    ours = rows[0].ours
    kinds: list[Kind] = [
        (f"best peer / {ours} (time)", lambda row: row.ratio(backends), "RdBu", LogNorm(1 / 4, 4), "{:.2f}", RATIOS),
        (f"{ours}: fraction of roofline", lambda row: row.roofline, "cividis", Normalize(0, 1), "{:.0%}", None),
    ]
    kinds = [kind for kind in kinds if any(kind[1](row) is not None for row in rows)]
    batches = sorted({row.case.batch for row in rows})
    size = (2.6 * len(batches) + 1.6, 2.6 * len(kinds) + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    grid: Any = figure.subplots(len(kinds), len(batches), squeeze=False)
    for axes_row, (label, value, colours, norm, style, ticks) in zip(grid, kinds, strict=True):
        for axes, batch in zip(axes_row, batches, strict=True):
            values = {row.case: value(row) for row in rows if row.case.batch == batch}
            image = _heat_map(axes, values, colours, norm, style)
            axes.set_title(f"B = {batch}")
        axes_row[0].set_ylabel("time steps T")
        bar = figure.colorbar(image, ax=list(axes_row), label=label, ticks=ticks, format=StrMethodFormatter("{x:g}"))
        bar.ax.minorticks_off()
    return figure


def _heat_map(axes: Axes, values: dict[Case, float | None], colours: str, norm: Normalize, style: str) -> Any:
    """H across, T upwards, each cell with its number; blank where nothing was measured."""
    steps, hiddens = sorted({case.steps for case in values}), sorted({case.hidden for case in values})
    table = np.full((len(steps), len(hiddens)), np.nan)
    for case, value in values.items():
        if value is not None:
            at = steps.index(case.steps), hiddens.index(case.hidden)
            table[at] = value
            dark = abs(float(norm(value)) - 0.5) > 0.35 if colours == "RdBu" else float(norm(value)) < 0.5
            text = style.format(value)
            axes.text(at[1], at[0], text, ha="center", va="center", fontsize="x-small", color="w" if dark else "k")
    image = axes.imshow(table, cmap=colours, norm=norm, origin="lower", aspect="auto")
    axes.set_xticks(range(len(hiddens)), map(str, hiddens))
    axes.set_yticks(range(len(steps)), map(str, steps))
    axes.set_xlabel("hidden units H")
    return image


def _lines(rows: list[Measurement], styles: dict[str, Any]) -> Figure:
    """A column for each B: GFLOP/s over H at the longest T of all H, above GFLOP/s over T at the middle H."""
    batches = sorted({row.case.batch for row in rows})
    figure = Figure(figsize=(3.2 * len(batches) + 1.2, 6.4), layout="constrained")
    grid: Any = figure.subplots(2, len(batches), squeeze=False, sharey="row")
    for column, batch in enumerate(batches):
        chosen = [row for row in rows if row.case.batch == batch]
        hiddens = sorted({row.case.hidden for row in chosen})
        steps = _longest_common(chosen)
        middle = hiddens[len(hiddens) // 2]
        over_h = [row for row in chosen if row.case.steps == steps]
        over_t = [row for row in chosen if row.case.hidden == middle]
        _line_plot(grid[0][column], over_h, lambda case: case.hidden, styles)
        grid[0][column].set(xlabel="hidden units H", title=f"B = {batch}, T = {steps}")
        _line_plot(grid[1][column], over_t, lambda case: case.steps, styles)
        grid[1][column].set(xlabel="time steps T", title=f"B = {batch}, H = {middle}")
    for axes_row in grid:
        axes_row[0].set_ylabel("GFLOP/s")
    handles = {line.get_label(): line for axes in grid.flat for line in axes.get_lines()}
    figure.legend(handles.values(), handles.keys(), loc="outside right upper")
    return figure


def _longest_common(rows: list[Measurement]) -> int:
    """The longest T that most values of H were measured at."""
    sizes = [row.case.steps for row in rows]
    return max(sizes, key=lambda steps: (sizes.count(steps), steps))


def _line_plot(axes: Axes, rows: list[Measurement], x: Callable[[Case], int], styles: dict[str, Any]) -> None:
    """Every candidate's speed, and the peak where it was measured."""
    rows = sorted(rows, key=lambda row: x(row.case))
    names = dict.fromkeys(name for row in rows for name in row.samples)
    for name in names:
        points = [(x(row.case), row.case.flops / seconds / 1e9) for row in rows if (seconds := row.seconds(name))]
        width = 2 if name == rows[0].ours else 1
        axes.plot(*zip(*points, strict=True), label=name, linewidth=width, **styles.get(name, {}))
    peaks = [row.rates.peak for row in rows if row.rates is not None]
    if peaks:
        axes.axhline(statistics.median(peaks) / 1e9, color="gray", linestyle="--", label="peak")
    axes.set_xscale("log", base=2)
    axes.set_xticks([x(row.case) for row in rows], [str(x(row.case)) for row in rows])
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
