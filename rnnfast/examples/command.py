"""What the examples' command lines share: options, the backend that runs, a folder for results, errors on one line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rnnfast import config, dispatch, option_types
from rnnfast.examples.errors import UserError

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


def parser(name: str, description: str | None, *, output: bool = False) -> argparse.ArgumentParser:
    """A parser for `python -m rnnfast.examples.NAME` with --backend and --seed, and with `output` --output."""
    made = argparse.ArgumentParser(
        prog=f"python -m rnnfast.examples.{name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--backend", metavar="NAME", help="where the net runs, e.g. c or numba (default: the best here)")
    made.add_argument(
        "--seed", type=option_types.seed, metavar="N", default=0, help="of everything random (default: 0)"
    )
    if output:
        folder = Path("rnnfast-examples")
        made.add_argument("--output", type=Path, metavar="DIR", default=folder, help=f"for files (default: {folder})")
    return made


def run(parser: argparse.ArgumentParser, argv: Sequence[str] | None, work: Callable[[argparse.Namespace], None]) -> int:
    """Call `work` with the options of `argv`; exit status 0 done, 1 it cannot be done, 130 interrupted.

    The option `backend` reaches it as the full name of the backend that runs. What a user can put right, a package
    that is missing included, is printed on one line.
    """
    options = parser.parse_args(argv)
    try:
        options.backend = chosen_backend(options.backend)
        work(options)
    except (UserError, ImportError, MemoryError) as error:
        return _fail(parser, str(error), 1)
    except KeyboardInterrupt:
        return _fail(parser, "interrupted", INTERRUPTED)
    return 0


def chosen_backend(name: str | None) -> str:
    """The full name of the backend asked for, None for the best here. Raises UserError if it cannot run."""
    try:
        config.get_num_threads()  # so that RNNFAST_NUM_THREADS is found wrong here
        return dispatch.select(name).full_name
    except (ValueError, RuntimeError) as error:
        raise UserError(str(error)) from None


def make_folder(path: Path) -> None:
    """Make a folder unless it is there. Raises UserError where it cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {path}: {error.strerror}") from None


def _fail(parser: argparse.ArgumentParser, message: str, status: int) -> int:
    print(f"{parser.prog.rpartition('.')[2]}: {message}", file=sys.stderr)
    return status
