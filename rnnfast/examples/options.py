"""The demo's options and their defaults, apart from everything that is slow to import."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """The command line's options; `load` goes on from a saved model, whose shape it takes."""

    seconds: float = 60.0
    text: Path | None = None
    cell: str = "gru"
    hidden: int = 256
    layers: int = 1
    backend: str | None = None
    seed: int = 0
    output: Path = Path("rnnfast-demo")
    temperature: float = 0.7
    load: Path | None = None
    compare: str | None = None
