"""Curves as PNG files, where matplotlib is installed."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnfast.examples.command import make_folder
from rnnfast.examples.errors import UserError


@dataclass(frozen=True)
class Curve:
    """y over x; `style` as matplotlib writes it, e.g. "--"."""

    label: str
    x: Any
    y: Any
    style: str = "-"


def prepare(folder: Path) -> None:
    """Make the folder for pictures. UserError if it cannot be or matplotlib is missing: ask before a long run."""
    if importlib.util.find_spec("matplotlib") is None:
        raise UserError("the pictures need matplotlib, which is not installed: pip install 'rnnfast[demo]'")
    make_folder(folder)


def save_curves(
    path: Path, curves: list[Curve], *, title: str, xlabel: str, ylabel: str, logarithmic: bool = False
) -> None:
    """Draw the curves over one pair of axes, the vertical one logarithmic if asked for."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot(xlabel=xlabel, ylabel=ylabel, title=title)
    for curve in curves:
        axes.plot(curve.x, curve.y, curve.style, label=curve.label)
    if logarithmic:
        axes.set_yscale("log")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
