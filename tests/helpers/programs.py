"""Programs for the tests to run: compilers and fresh Python interpreters."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import rnnfast

STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1")


def tool(name: str) -> str:
    """The path of an installed program; skips the test where there is none of that name."""
    return shutil.which(name) or pytest.skip(f"needs {name}")


def run(*command: Any, **environment: str) -> str:
    """What a program printed; fails with all its output if it failed."""
    done = subprocess.run(
        [str(word) for word in command],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        cwd=sys.prefix,  # not the clone, whose source tree Python would import
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def python(code: str, **environment: str) -> str:
    """What this code printed in a fresh interpreter."""
    return run(sys.executable, "-c", code, **environment)


def built(source: str, folder: Path, compiler: str, *flags: str) -> Path:
    """A program of the helpers, linked to the library under test."""
    libraries, path = rnnfast.get_library_dir(), Path(__file__).parent / source
    run(
        *(tool(compiler), *STRICT, *flags, f"-I{rnnfast.get_include()}", path, "-o", folder / "program"),
        *(f"-L{libraries}", "-lrnnfast", f"-Wl,-rpath,{libraries}", "-pthread"),
    )
    return folder / "program"
