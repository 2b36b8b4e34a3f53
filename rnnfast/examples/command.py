"""The command line of an example: its options, and errors on one line."""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rnnfast import config
from rnnfast.backends import choose
from rnnfast.checks.command_line import count, seed
from rnnfast.examples.blas import one_blas_thread
from rnnfast.examples.errors import UserError

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


def parser(
    name: str, description: str | None, *, epochs: int | None = None, output: bool = False, backend: bool = True
) -> argparse.ArgumentParser:
    """A parser for `python -m rnnfast.examples.NAME`, with the options that all examples have.

    epochs: the default of --epochs; without it there is no such option. output: with --output, a folder for pictures.
    backend: with --backend.
    """
    made = argparse.ArgumentParser(prog=f"python -m rnnfast.examples.{name}", description=description)
    if backend:
        made.add_argument("--backend", metavar="NAME", help="e.g. c, numba or reference (default: the best here)")
    made.add_argument("--seed", type=seed, default=0, metavar="N", help="of initial weights and data (default: 0)")
    if epochs is not None:
        made.add_argument("--epochs", type=count, default=epochs, metavar="N", help=f"of training (default: {epochs})")
    if output:
        folder = Path(f"rnnfast-{name.replace('_', '-')}")
        made.add_argument(
            "--output", type=Path, default=folder, metavar="DIR", help=f"for pictures (default: {folder})"
        )
    return made


def run(parser: argparse.ArgumentParser, arguments: Sequence[str] | None, show: Callable[..., None]) -> int:
    """Call `show` with the options by name, NumPy's products on one thread.

    Returns the exit status: 0 done, 1 it cannot be done, 130 interrupted.
    """
    options = vars(parser.parse_args(arguments))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # there may be characters that this terminal cannot show
    try:
        if "backend" in options:
            options["backend"] = backend_name(options["backend"])
        with one_blas_thread():
            show(**options)
    except UserError as error:
        return _fail(parser, str(error), 1)
    except MemoryError as error:
        return _fail(parser, f"out of memory: {error or 'choose smaller sizes'}", 1)
    except KeyboardInterrupt:
        return _fail(parser, "interrupted", INTERRUPTED)
    return 0


def backend_name(asked: str | None) -> str:
    """The backend that runs, with its variant. UserError for one that cannot."""
    try:
        config.get_num_threads()  # so that RNNFAST_NUM_THREADS is found wrong here
        return choose.select(asked).full_name
    except (ValueError, RuntimeError) as error:
        raise UserError(str(error)) from None


def make_folder(path: Path) -> None:
    """Make a folder for what an example writes, where there is none. UserError if it cannot be made or written into."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {path}: {error.strerror}") from None
    try:
        tempfile.TemporaryFile(dir=path).close()
    except OSError as error:
        raise UserError(f"cannot write into the folder {path}: {error.strerror}") from None


def _fail(parser: argparse.ArgumentParser, message: str, status: int) -> int:
    print(f"{parser.prog}: {message}", file=sys.stderr)
    return status
