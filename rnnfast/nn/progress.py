"""How far training has come: a bar on the terminal, where there is one and rich is installed."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[str], None]


@contextmanager
def progress_bar(epochs: int, *, shown: bool) -> Iterator[Report]:
    """A bar on standard error; call what comes after every epoch, with what to say. Elsewhere that does nothing."""
    if not (shown and sys.stderr.isatty() and importlib.util.find_spec("rich")):
        yield lambda said: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("epoch"), MofNCompleteColumn(), BarColumn(), TextColumn("{task.description}")
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=epochs)
        yield lambda said: progress.update(task, advance=1, description=said)
