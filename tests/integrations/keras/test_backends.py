"""The same tests of layers on the other one of Keras's backends, which it chooses once in a process."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rnnfast.backends.c import backend as c

keras = pytest.importorskip("keras", reason="keras is not installed")

FILE = Path(__file__).with_name("test_layers.py")


@pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed, the other backend")
def test_layers_on_the_other_backend(tmp_path: Path) -> None:
    other = "numpy" if keras.backend.backend() == "torch" else "torch"
    # Not from the clone, whose sources Python would import.
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(FILE)]
    environment = os.environ | {"KERAS_BACKEND": other}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0 and "skipped" not in done.stdout, done.stdout + done.stderr


LACKS = {
    "import tensorflow_of_nobody": "No module named 'tensorflow_of_nobody': set KERAS_BACKEND in the environment",
    "raise ModuleNotFoundError('none', name='keras')": r"needs Keras: pip install 'rnnfast[keras]'",
}


@pytest.mark.parametrize("content", LACKS)
def test_what_is_not_installed_is_said(content: str, tmp_path: Path) -> None:
    (tmp_path / "keras.py").write_text(content)
    code = "try: from rnnfast.integrations.keras import accelerate\nexcept ImportError as error: print(error)"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert LACKS[content] in done.stdout, done.stdout + done.stderr
