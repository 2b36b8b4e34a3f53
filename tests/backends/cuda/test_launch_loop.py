"""The compiled loop that starts many launches: a line says when it is compiled, and later processes find it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rnnfast

pytest.importorskip("numba", reason="numba is not installed")

PACKAGE = Path(rnnfast.__file__).parent


def said_by(package: Path, **environment: str) -> str:
    """Return what a process that needs the loop, with a copy of the package, writes to stderr."""
    done = subprocess.run(
        [sys.executable, "-c", "import rnnfast.backends.cuda.driver.together"],
        env={"PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        cwd=package.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


def test_compiling_is_said_once_and_kept(tmp_path: Path) -> None:
    first, second = [said_by(PACKAGE, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2)]
    assert first.count("compiled the loop that starts CUDA's kernels") == 1 and "once for this machine" in first
    assert second == ""


@pytest.mark.slow
def test_the_loop_runs_where_there_is_no_folder_to_keep_it(tmp_path: Path) -> None:
    """A package that cannot be written, for a user without a home."""
    package = tmp_path / "rnnfast"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__", "*.so*"))
    (package / "backends" / "cuda" / "driver" / "__pycache__").write_text("a file: nobody can make a folder of it")
    for _ in range(2):
        assert "which every process does anew" in said_by(package, HOME="/proc/nobody")
