"""The `rnnfast` command: info, run, show, convert, demo, bench, and how it ends."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rnnfast.benchmark import options as bench_options
from rnnfast.checks.command_line import count, not_negative, positive, seed
from rnnfast.commands import options as model_options
from rnnfast.config import compiler_flags, version
from rnnfast.examples.options import Options

WRONG_USAGE, INTERRUPTED, PIPE_CLOSED = 2, 130, 141
"""Exit statuses as shells and argparse have them; the last two: after Ctrl-C, and of what SIGPIPE ends."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0: done; 1: it cannot be done; 2: wrong usage; 130: interrupted; 141: nobody reads the output any more.
    """
    try:
        try:
            return _run_command(arguments)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # here, since at exit Python could only complain that it failed
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still to be flushed
        return PIPE_CLOSED
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)


def _run_command(arguments: Sequence[str] | None) -> int:
    parser = _parser()
    options = vars(parser.parse_args(arguments))
    command: Callable[..., int] | None = options.pop("run", None)
    if command is None:
        parser.print_help(sys.stderr)
        return WRONG_USAGE
    return command(**options)


def _info(**flags: bool) -> int:
    import rnnfast

    try:
        print(compiler_flags(**flags) if any(flags.values()) else rnnfast.show_config())
    except (ValueError, RuntimeError) as error:  # RNNFAST_BACKEND or RNNFAST_ISA asks for what cannot run
        return _fail(str(error))
    return 0


def _demo(**options: Any) -> int:
    given = {name: value for name, value in options.items() if value is not None}
    if "load" in given and not given.keys().isdisjoint(("cell", "hidden", "layers")):
        return _fail(
            "--load brings cell, hidden size and layers with it: leave --cell, --hidden and --layers out", WRONG_USAGE
        )
    try:
        return _run("demo", "rnnfast.examples.demo", Options(**given))
    except MemoryError:
        return _fail("this net does not fit into memory: choose a smaller --hidden or --layers")


def _bench(**options: Any) -> int:
    given = {name: value for name, value in options.items() if value is not None}
    return _run("bench", "rnnfast.benchmark.command", bench_options.Options(**given))


def _model(command: str) -> Callable[..., int]:
    """Return what runs one of the commands that take a model's file."""
    return lambda **options: _run(command, f"rnnfast.commands.{command}", model_options.Options(**options))


def _run(name: str, module: str, options: Any) -> int:
    """Call `run` of a module that needs more than rnnfast does."""
    try:
        run = importlib.import_module(module).run
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("rich", "matplotlib", "threadpoolctl"):
            raise
        return _fail(f"{name} needs {missing}, which is not installed: pip install 'rnnfast[{name}]'")
    from rnnfast.examples.errors import UserError

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # there may be characters that this terminal cannot show
    try:
        return run(options) or 0
    except UserError as error:
        return _fail(str(error))


def _fail(message: str, status: int = 1) -> int:
    print(f"rnnfast: {message}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rnnfast", description="Fast recurrent networks: RNN, LSTM, GRU.")
    parser.add_argument("--version", action="version", version=f"rnnfast {version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    info = commands.add_parser("info", help="show version, backends, instruction set, threads")
    info.set_defaults(run=_info)
    info.add_argument("--cflags", action="store_true", help="print what a C compiler needs to find rnnfast.h")
    info.add_argument("--libs", action="store_true", help="print what it needs to link the library")
    model_options.add_run(_command(commands, "run", "stream a .wav or .npy through a model"))
    model_options.add_show(_command(commands, "show", "show a model's layers, sizes and costs"))
    model_options.add_convert(_command(commands, "convert", "write a model as C reads it"))
    _add_demo(commands.add_parser("demo", help="train a character model on real text for a minute"))
    _add_bench(commands.add_parser("bench", help="time every backend beside PyTorch, onnxruntime, OpenVINO and JAX"))
    return parser


def _command(commands: Any, name: str, said: str) -> argparse.ArgumentParser:
    """Return the parser of a command that takes a model's file."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=said)
    parser.set_defaults(run=_model(name))
    return parser


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Train a character-level language model, then show what it learned and how fast. "
        "Needs rich, matplotlib and threadpoolctl: pip install 'rnnfast[demo]'."
    )
    parser.set_defaults(run=_demo)
    add, default = parser.add_argument, Options()
    add("--seconds", type=not_negative, metavar="S", help=f"training time; 0: none (default: {default.seconds:g})")
    add("--text", type=Path, metavar="FILE", help="UTF-8 text to learn from (default: Python's own help topics)")
    add("--cell", choices=("lstm", "gru", "rnn"), help=f"kind of recurrent net (default: {default.cell})")
    add("--hidden", type=count, metavar="N", help=f"hidden units (default: {default.hidden})")
    add("--layers", type=count, metavar="N", help=f"recurrent layers (default: {default.layers})")
    add("--backend", metavar="NAME", help="where the net runs, e.g. c, c:avx2 or reference (default: the best here)")
    add("--seed", type=seed, metavar="N", help=f"of initial weights and samples (default: {default.seed})")
    add("--output", type=Path, metavar="DIR", help=f"folder for weights and picture (default: {default.output})")
    add("--temperature", type=positive, metavar="X", help=f"wildness of samples (default: {default.temperature:g})")
    add("--compare", choices=("torch",), help="then train the same net in PyTorch too, by turns, and compare speeds")
    add("--load", type=Path, metavar="FILE", help="go on from a model.npz that the demo saved")


def _add_bench(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Time forward and training of every backend and of every other library that is installed, each checked first "
        "against the NumPy reference. Needs rich, matplotlib and threadpoolctl: pip install 'rnnfast[bench]'."
    )
    parser.set_defaults(run=_bench)
    bench_options.add_options(parser)
