"""The rnnfast command as tests run it: in a Python of its own, with a small net, and what it says when it fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

SMALL = ["--hidden", "32", "--backend", "reference"]


def python(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A Python of its own, started in a folder where no source tree is in the way of what was installed."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONIOENCODING": "utf-8", "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def assert_one_line(printed: str, message: str) -> None:
    assert printed.startswith("rnnfast: ")
    assert printed.count("\n") == 1
    assert re.search(message, printed)
