"""Keras's files read where Keras is not installed: small ones that it made, kept beside the tests."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from nets import BACKEND

import rnnfast

FILES = Path(__file__).parent / "files"
pytest.importorskip("h5py", reason="h5py is not installed")


def test_what_keras_made() -> None:
    with zipfile.ZipFile(FILES / "small.keras") as archive:
        x, y = (np.load(io.BytesIO(archive.read(f"{name}.npy"))) for name in "xy")
    model = rnnfast.load_model(FILES / "small.keras", backend=BACKEND)
    np.testing.assert_allclose(model(x.swapaxes(0, 1))[0], y, rtol=1e-5, atol=1e-6)
    assert list(model.parts) == ["skip", "both", "back_reversed", "back", "back_last", "head", "head_tanh"]


def test_weights_of_one_layer() -> None:
    model = rnnfast.load_model(FILES / "small.weights.h5", backend=BACKEND)
    assert list(model.parts) == ["gru"]
    named = rnnfast.load_model(FILES / "small.weights.h5", parts={"gru": "GRU"})
    assert named.parts["gru"].net.cell == "gru"
    assert model(np.ones((4, 2), np.float32))[0].shape == (4, 2)


def test_keras_is_not_imported() -> None:
    code = "import sys, rnnfast; rnnfast.load_model(sys.argv[1]); assert 'keras' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, str(FILES / "small.keras")], check=True)


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    from rnnfast.cli import main

    main(["show", str(FILES / "small.keras")])
    shown = capsys.readouterr().out
    assert "a model of Keras, float32" in shown and "both: weights transposed" in shown
