"""`python -m rnnfast.examples` names every example there is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import rnnfast.examples
from rnnfast.examples.__main__ import NAMES, listing


def test_every_example_is_listed() -> None:
    folder = Path(rnnfast.examples.__path__[0])
    programs = {file.stem for file in folder.glob("*.py") if "command.parser(" in file.read_text(encoding="utf-8")}
    assert programs - {"demo"} == set(NAMES)
    lines = listing().splitlines()
    assert len(lines) == len(NAMES) + 1 and all(len(line.split()) > 3 for line in lines)


def test_what_surrounds_nets_needs_no_import_of_its_own() -> None:
    program = "import rnnfast; print(rnnfast.nn.Linear(1, 1).in_features, rnnfast.diagnostics.__name__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "rnnfast.diagnostics"]
