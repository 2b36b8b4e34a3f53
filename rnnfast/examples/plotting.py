"""A training run shown: a progress bar while it lasts, and its loss curve as a picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from matplotlib.figure import Figure
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from rnnfast.examples.training import LossCurve


@contextmanager
def time_bar(seconds: float) -> Iterator[Callable[[LossCurve], None]]:
    """A bar that fills with the time used; give what comes to `train` as its `report`."""
    shown = TextColumn("{task.fields[bits]:.2f} bits/character  {task.fields[speed]:,.0f} characters/s")
    with Progress(TextColumn("training"), BarColumn(), shown, TimeRemainingColumn()) as progress:
        task = progress.add_task("training", total=seconds, bits=float("nan"), speed=0.0)

        def report(curve: LossCurve) -> None:
            completed = min(curve.seconds, seconds)
            progress.update(task, completed=completed, bits=curve.average[-1], speed=curve.speed)

        yield report


def save_loss_curve(path: Path, curve: LossCurve, *, unigram: float, held_out: float) -> None:
    """Draw bits per character over characters read as a PNG: each step, their moving average, and the two baselines."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot(
        xlabel="characters read", ylabel="bits per character", title="Learning to predict the next character"
    )
    axes.plot(curve.characters, curve.bits, color="tab:blue", alpha=0.3, linewidth=0.8, label="training, each step")
    axes.plot(curve.characters, curve.average, color="tab:blue", label="training, moving average")
    axes.axhline(unigram, color="tab:gray", linestyle="--", label=f"held out, unigram baseline: {unigram:.2f}")
    axes.axhline(held_out, color="tab:red", linestyle="--", label=f"held out, this model: {held_out:.2f}")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
