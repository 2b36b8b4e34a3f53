"""What a function prints to a console of rich, as text."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console


def printed(show: Any, *arguments: Any) -> str:
    """The text that `show(console, ...)` prints, 140 columns wide."""
    console = Console(file=io.StringIO(), width=140)
    show(console, *arguments)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
