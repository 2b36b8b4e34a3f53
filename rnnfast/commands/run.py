"""`rnnfast run`: a file streamed through a model, with a bar, and a line on how fast that was."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from rnnfast.commands import inputs, outputs
from rnnfast.commands.inputs import Input
from rnnfast.commands.model import is_batch_first, opened, sizes_of
from rnnfast.commands.options import Options
from rnnfast.examples.errors import UserError
from rnnfast.nn.sequential import Sequential

CHUNK, NUMBERS = 16_384, 2**21
"""Steps of one chunk, and numbers between two parts in it, at most."""


def run(options: Options) -> None:
    """Stream the input through the model into the output. Raises UserError."""
    assert options.input is not None and options.output is not None  # both are required
    found, model = opened(options)
    with inputs.opened(options.input, sizes_of(model)) as given:
        rate = given.sound.rate if given.sound else None
        if rate and found.sample_rate and rate != found.sample_rate:
            print(
                f"rnnfast: {options.model} was made for {found.sample_rate:g} samples a second, {options.input} has "
                f"{rate}: it will sound otherwise",
                file=sys.stderr,
            )
        seconds, beyond = _through(model, given, options.input, options.output)
    _report(given, seconds, rate or found.sample_rate)
    if beyond:
        print(f"{beyond:,} samples were louder than the file can hold and were cut off")
    print(f"saved: {options.output}")


def _through(model: Sequential, given: Input, path: Path, output: Path) -> tuple[float, int]:
    """Return the seconds that the model took for all steps, and how many samples of a sound were cut off."""
    sizes, swapped = sizes_of(model), is_batch_first(model)
    try:
        stream = model.stream(given.rows)
    except (ValueError, RuntimeError) as error:
        raise UserError(f"this model cannot be streamed: {error}") from None
    width = max(sizes.widest, sizes.inputs or 1)
    length = max(1, min(CHUNK, NUMBERS // (given.rows * width)))
    features, seconds = sizes.outputs or given.features, 0.0
    with outputs.replaced(output, given, features) as taken, _bar(given.steps) as progress:
        task = progress.add_task(output.name, total=given.steps)
        for x in given.chunks(length):
            before = time.perf_counter()
            try:
                y = stream.run(x.swapaxes(0, 1) if swapped else x)
            except (ValueError, TypeError) as error:
                raise UserError(f"{path}: {error}") from None
            seconds += time.perf_counter() - before
            taken.write(y.swapaxes(0, 1) if swapped else y)
            progress.advance(task, len(x))
    return seconds, taken.beyond


def _bar(steps: int) -> Progress:
    columns = TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not (steps and console.is_terminal))


def _report(given: Input, seconds: float, rate: float | None) -> None:
    """Print how many steps there were and how long they took and, where a rate is known, how that compares."""
    rows = f" of {given.rows} rows" if given.rows > 1 else ""
    said = f"{given.steps:,} steps{rows} in {seconds:.3g} s"
    if given.steps and seconds:
        said += f", {seconds / given.steps * 1e6:.3g} µs a step"
        if rate:
            said += f": {given.steps / rate / seconds:,.3g} times real time at {rate:g} samples a second"
    print(said)
