"""A run kept in a JSON file: where and how it was made, and every measurement."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rnnfast.benchmark.results import Measurement
from rnnfast.examples.errors import UserError


@dataclass(frozen=True)
class Run:
    """The setting as `machine.describe` has it, the suite, our backends, parts not timed with why, and measurements."""

    setting: Mapping[str, str]
    suite: str
    backends: tuple[str, ...]
    absent: Mapping[str, str]
    cases: Sequence[Measurement]


def write(path: Path, run: Run) -> None:
    """Write a run. Raises OSError."""
    cases = [measurement.record(run.backends) for measurement in run.cases]
    path.write_text(json.dumps(vars(run) | {"cases": cases}, indent=1), encoding="utf-8")


def read(path: Path) -> Run:
    """Return the run that `write` wrote. Raises UserError for any other file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        cases = [Measurement.of(record) for record in content["cases"]]
        return Run(**content | {"backends": tuple(content["backends"]), "cases": cases})
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UserError(f"{path} is not what --json writes in this version of rnnfast: time anew") from None
