"""Every example, made small, on the CUDA backend: where there is no device its kernels run in the emulator."""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnfast.backends.cuda import backend as numba_cuda
from rnnfast.examples.__main__ import NAMES
from rnnfast.examples.sea_temperature import Series, seasonal_naive

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from rnnfast.backends.cuda.tiers import Limits

FEW = Limits(threads=8, lanes=2, words=(200,), shared=1024, blocks=3)
"""Of the emulated device: few threads, which have to be run one after another."""
MONTHS = 15 + np.sin(np.arange(48) * 0.5)
SMALL: dict[str, tuple[list[str], dict[str, Any]]] = {
    "next_number": (["--epochs", "1"], {"WINDOWS": 3, "ASKED": 1, "HIDDEN": 3}),
    "random_regression": (["--epochs", "1", "--seeds", "1"], {"SEQUENCES": 2, "FEATURES": 2, "HIDDEN": 3}),
    "sine": (["--epochs", "1"], {"END": 1.2, "WINDOW": 3, "HELD_OUT": 4, "HIDDEN": 3, "BATCH": 3}),
    "toy_sequences": (["--epochs", "1"], {}),
    "softmax_cell": (["--epochs", "1"], {"TRAINING": 2, "HELD_OUT": 2, "HIDDEN": 3, "BATCH": 1}),
    "bptt_by_hand": (["--epochs", "1"], {"TEXT": "to be, ", "HIDDEN": 3}),
    "lstm_by_hand": (["--steps", "3", "--hidden", "2"], {}),
    "char_text": (["--steps", "1", "--hidden", "2"], {"EVALUATED": 8, "BATCH": 2, "STEPS": 4, "SAMPLE": 3}),
    "classifier": (["--epochs", "1"], {"TRAINING": 3, "HELD_OUT": 3, "HIDDEN": 2, "BATCH": 2, "STEPS": 4}),
    "sentiment": (["--epochs", "1"], {"EMBEDDING": 2, "LEARNED": 2, "HELD_OUT": 2}),
    "translate": (["--epochs", "1", "--width", "2"], {"BATCHES": 1, "BATCH": 2, "HELD_OUT": 2}),
    "forecast": (["--epochs", "1", "--nets", "1"], {}),
    "effect": (["--epochs", "1"], {"RATE": 40, "SECONDS": 2, "HIDDEN": 2, "WINDOW": 4, "BATCH": 8}),
    "gradient_flow": (["--steps", "3", "--hidden", "2"], {"BATCH": 1, "INPUTS": 2}),
}
"""By name the arguments and the constants with which it takes a second or two in the emulator."""
DEFAULTS = {"sentiment": "SentimentModel", "translate": "Translator", "char_text": "CharModel"}
"""Models whose `hidden` and `embedding` are no constants but defaults of arguments."""


@pytest.fixture
def device(request: pytest.FixtureRequest) -> None:
    """The device or, where there is none, the emulator, with Numba's own arrays if it has any."""
    if numba_cuda.reason() is not None:
        has_arrays = importlib.util.find_spec("numba_cuda") is not None
        request.getfixturevalue("numba_device" if has_arrays else "emulated_device").limits = FEW


@pytest.mark.parametrize("name", [name for name in NAMES if name != "torch_models"])  # which is PyTorch's, on the CPU
def test_an_example_runs_on_a_device(
    name: str, device: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, constants = SMALL[name]
    example = importlib.import_module(f"rnnfast.examples.{name}")
    for constant, value in constants.items():
        monkeypatch.setattr(example, constant, value)
    if hasattr(example, "pictures"):
        pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    if name == "effect":
        pytest.importorskip("safetensors", reason="safetensors is not installed")
    if hasattr(example, "pictures") or name == "effect":
        arguments = [*arguments, "--output", str(tmp_path)]
    make_smaller(name, example, monkeypatch)
    if name == "char_text":
        text = tmp_path / "text.txt"
        text.write_text("abc abd " * 250)
        arguments = [*arguments, "--text", str(text)]
    assert example.main(["--backend", "cuda", "--seed", "1", *arguments]) == 0
    printed = capsys.readouterr().out
    assert "backend cuda" in printed and not re.search(r"\bnan\b", printed)


def make_smaller(name: str, example: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what is no constant of the example's own."""
    if name in DEFAULTS:
        defaults = getattr(example, DEFAULTS[name]).__init__.__kwdefaults__
        for argument, value in {"hidden": 2, "embedding": 2}.items():
            if argument in defaults:
                monkeypatch.setitem(defaults, argument, value)
    if name == "translate":
        monkeypatch.setattr("rnnfast.examples.strings.LONGEST", 3)
        monkeypatch.setattr(example, "LONGEST", 3)
    if name == "forecast":
        monkeypatch.setattr("rnnfast.examples.sea_temperature.load", lambda: Series(MONTHS, 24, 36))
        monkeypatch.setattr("rnnfast.examples.sea_temperature.best_order", lambda series: 1)
        monkeypatch.setattr(
            "rnnfast.examples.sea_temperature.autoregression", lambda series, order: seasonal_naive(series)
        )
        forecaster = importlib.import_module("rnnfast.examples.forecaster")
        monkeypatch.setitem(forecaster.Forecaster.__init__.__kwdefaults__, "hidden", 2)
        for constant, value in {"WINDOW": 4, "WARM_UP": 1, "STRIDE": 10}.items():
            monkeypatch.setattr(forecaster, constant, value)
