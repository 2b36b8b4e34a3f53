"""The options of `rnnfast bench` and their defaults, apart from everything that is slow to import."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from rnnfast.benchmark.cases import CELLS, PARTS, WEIGHTS, WORKS, Cell, Weights
from rnnfast.benchmark.peers import REQUIRES as PEERS
from rnnfast.benchmark.suites import SUITES

DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Options:
    """The command line's options; None, where a filter: everything."""

    suite: str = ""
    """"": the suite "weights" where types of them are named, else "grid"."""
    cells: tuple[Cell, ...] | None = None
    work: tuple[str, ...] | None = None
    steps: tuple[int, ...] | None = None
    batch: tuple[int, ...] | None = None
    hidden: tuple[int, ...] | None = None
    parts: tuple[str, ...] | None = None
    max_gflop: float = 30.0
    dtype: tuple[str, ...] = ("float32",)
    weights: tuple[Weights, ...] | None = None
    """None: of the suite "weights" every type, else weights stay as they are."""
    threads: tuple[int, ...] = (1,)
    backends: tuple[str, ...] | None = None
    peers: tuple[str, ...] | None = None
    """None: those that are installed."""
    seconds: float | None = None
    json: Path | None = None
    plot: Path | None = None
    base: str | None = None
    read: Path | None = None

    def __post_init__(self) -> None:
        if not self.suite:
            object.__setattr__(self, "suite", "weights" if self.weights else "grid")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare them all."""
    from rnnfast.checks.command_line import counts, names_of, positive  # not in every revision that times this one

    add, default = parser.add_argument, Options()
    which = parser.add_mutually_exclusive_group().add_argument
    which("--suite", choices=SUITES, help=f"which cases to time (default: {default.suite})")
    which(
        "--quick", dest="suite", action="store_const", const="quick", help="a few cases of the grid, under two minutes"
    )
    which("--read", type=Path, metavar="FILE", help="time nothing: print, and with --plot draw, what --json wrote")
    add("--cells", type=names_of(CELLS), metavar="NAME,...", help=f"only these; of the grid any: {', '.join(CELLS)}")
    add("--work", type=names_of(WORKS), metavar="NAME,...", help=f"only this: {', '.join(WORKS)}")
    add("--steps", type=counts, metavar="T,...", help="only so many time steps; of the grid any number")
    add("--batch", type=counts, metavar="B,...", help="only so many rows; of the grid any number")
    add("--hidden", type=counts, metavar="H,...", help="only so many hidden units; of the grid any number")
    add("--parts", type=names_of(PARTS), metavar="NAME,...", help=f"of a suite that has parts {', '.join(PARTS)}")
    add("--max-gflop", type=positive, metavar="X", help=f"leave out larger forwards (default: {default.max_gflop:g})")
    add("--dtype", type=names_of(DTYPES), metavar="NAME,...", help="of float32 (default) and float64")
    add(
        "--weights",
        type=names_of(WEIGHTS),
        metavar="NAME,...",
        help="inference with weights rounded to bfloat16, int8: the suite 'weights', or sizes of the grid",
    )
    add("--threads", type=counts, metavar="N,...", help="numbers of threads, each timed by itself (default: 1)")
    add(
        "--backends", type=names_of(), metavar="NAME,...", help="e.g. c,c:avx2,accelerated (default: all but reference)"
    )
    add("--peers", type=names_of(PEERS, none=True), metavar="NAME,...", help=f"{', '.join(PEERS)} (default), or none")
    add("--seconds", type=positive, metavar="S", help="time for each case, checks apart (default: 2; quick: 0.5)")
    add("--json", type=Path, metavar="FILE", help="write every sample to a file")
    add("--plot", type=Path, metavar="DIR", help="write heat maps and lines as PNG into a folder")
    add("--base", metavar="REV", help="time this git revision of the clone in place of other libraries")
