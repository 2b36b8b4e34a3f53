"""The options of `rnnfast run`, `show` and `convert`, apart from everything that is slow to import."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rnnfast.checks.command_line import pairs


@dataclass(frozen=True)
class Options:
    """A command line; what a command has no option for is None."""

    model: Path
    input: Path | None = None
    output: Path | None = None
    parts: Mapping[str, str] | None = None
    prefix: str = ""
    dtype: str | None = None
    backend: str | None = None


def add_run(parser: argparse.ArgumentParser) -> None:
    """Declare what `rnnfast run` takes."""
    parser.description = (
        "Stream a sound (.wav) or an array of steps (.npy: T, T x I or T x B x I) through a model, its states carried "
        "from chunk to chunk. Needs rich: pip install 'rnnfast[run]'."
    )
    _add_model(parser)
    parser.add_argument("input", type=Path, metavar="INPUT", help=".wav or .npy")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUTPUT", help=".wav, as INPUT, or .npy")
    _add_backend(parser)


def add_show(parser: argparse.ArgumentParser) -> None:
    """Declare what `rnnfast show` takes."""
    parser.description = "Print a model's layers and sizes, what was converted, and what a step costs."
    _add_model(parser)
    _add_backend(parser)


def add_convert(parser: argparse.ArgumentParser) -> None:
    """Declare what `rnnfast convert` takes."""
    parser.description = "Write a model as the C library reads it. Needs safetensors."
    _add_model(parser)
    parser.add_argument("output", type=Path, metavar="OUT.safetensors", help="where to; .npz is for Python alone")


def _add_model(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="a file that rnnfast.load_model reads")
    add(
        "--parts",
        type=pairs,
        metavar="NAME=KIND,...",
        help="of a state dict: what runs, in order, e.g. rnn=LSTM,head=Linear,out=tanh",
    )
    add("--prefix", default="", metavar="TEXT", help="of a state dict: what the names of its modules begin with")
    add("--dtype", choices=("float32", "float64"), help="convert to it (default: as in the file; JSON: float32)")


def _add_backend(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backend", metavar="NAME", help="e.g. c, c:avx2 or reference (default: the best here)")
