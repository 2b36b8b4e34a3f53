"""The `rnnfast` command: info, demo."""

from __future__ import annotations

import argparse
import io
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rnnfast.examples.options import Options

Number = TypeVar("Number", int, float)

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 done, 1 it cannot be done, 2 wrong usage, 130 interrupted."""
    options = vars(_parser().parse_args(arguments))
    command: Callable[..., int] = options.pop("run")
    try:
        return command(**options)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)


def _info() -> int:
    import rnnfast

    try:
        print(rnnfast.show_config())
    except (ValueError, RuntimeError) as error:  # RNNFAST_BACKEND or RNNFAST_ISA asks for what cannot run
        return _fail(str(error))
    return 0


def _demo(**options: Any) -> int:
    try:
        from rnnfast.examples import demo
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("rich", "matplotlib", "threadpoolctl"):
            raise
        return _fail(f"the demo needs {missing}, which is not installed: pip install 'rnnfast[demo]'")
    from rnnfast.examples.errors import UserError

    given = {name: value for name, value in options.items() if value is not None}
    if "load" in given and not given.keys().isdisjoint(("cell", "hidden", "layers")):
        return _fail("--load brings cell, hidden size and layers with it: leave --cell, --hidden and --layers out", 2)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a text may hold characters that this terminal cannot show
    try:
        demo.run(Options(**given))
    except UserError as error:
        return _fail(str(error))
    except MemoryError:
        return _fail("this net does not fit into memory: choose a smaller --hidden or --layers")
    return 0


def _fail(message: str, status: int = 1) -> int:
    print(f"rnnfast: {message}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rnnfast", description="Fast recurrent networks: RNN, LSTM, GRU.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    info = commands.add_parser("info", help="show version, backends, instruction set, threads")
    info.set_defaults(run=_info)
    _add_demo(commands.add_parser("demo", help="train a character model on real text for a minute"))
    return parser


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Train a character-level language model, then show what it learned and how fast. "
        "Needs rich, matplotlib and threadpoolctl: pip install 'rnnfast[demo]'."
    )
    parser.set_defaults(run=_demo)
    add, default = parser.add_argument, Options()
    add("--seconds", type=_not_negative, metavar="S", help=f"training time; 0: none (default: {default.seconds:g})")
    add("--text", type=Path, metavar="FILE", help="UTF-8 text to learn from (default: Python's own help topics)")
    add("--cell", choices=("lstm", "gru", "rnn"), help=f"kind of recurrent net (default: {default.cell})")
    add("--hidden", type=_count, metavar="N", help=f"hidden units (default: {default.hidden})")
    add("--layers", type=_count, metavar="N", help=f"recurrent layers (default: {default.layers})")
    add("--backend", metavar="NAME", help="where the net runs, e.g. c, c:avx2 or reference (default: the best here)")
    add("--seed", type=_seed, metavar="N", help=f"of initial weights and samples (default: {default.seed})")
    add("--output", type=Path, metavar="DIR", help=f"folder for weights and picture (default: {default.output})")
    add("--temperature", type=_positive, metavar="X", help=f"wildness of samples (default: {default.temperature:g})")
    add("--load", type=Path, metavar="FILE", help="go on from a model.npz that the demo saved")


def _count(text: str) -> int:
    return _number(int, text, "a whole number of at least 1", lambda value: value >= 1)


def _seed(text: str) -> int:
    return _number(int, text, "a whole number from 0 to 2**63 - 1", lambda value: 0 <= value < 2**63)


def _positive(text: str) -> float:
    return _number(float, text, "a finite number above 0", lambda value: 0 < value < math.inf)


def _not_negative(text: str) -> float:
    return _number(float, text, "a finite number of at least 0", lambda value: 0 <= value < math.inf)


def _number(kind: Callable[[str], Number], text: str, expected: str, fits: Callable[[Number], bool]) -> Number:
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not fits(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not {expected}")
    return value
