"""Models from files that Keras writes: random weights against Keras's own outputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="keras is not installed")
h5py = pytest.importorskip("h5py", reason="h5py is not installed")

from keras_files import ROWS, numbers, outputs, saved, words, x_of  # noqa: E402
from keras_layers import LAYERS, L, randomised  # noqa: E402
from nets import BACKEND  # noqa: E402

import rnnfast  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")  # Keras 3.15, NumPy 2


STACKS: dict[str, Callable[[], list[Any]]] = {
    **{kind: lambda kind=kind: numbers(LAYERS[kind](7, return_sequences=True)) for kind in LAYERS},  # type: ignore[misc]
    **{f"{kind} last": lambda kind=kind: numbers(LAYERS[kind](1), L.Dense(4)) for kind in LAYERS},  # type: ignore[misc]
    "no biases": lambda: numbers(*[LAYERS[kind](3, use_bias=False, return_sequences=True) for kind in LAYERS]),
    "backwards": lambda: numbers(L.GRU(4, go_backwards=True, return_sequences=True), L.LSTM(3, go_backwards=True)),
    "bidirectional": lambda: numbers(
        L.Bidirectional(L.LSTM(4, return_sequences=True)), L.Bidirectional(L.GRU(3, reset_after=False))
    ),
    "activations": lambda: numbers(
        L.Dense(9, "tanh"),
        L.Activation("relu"),
        L.LSTM(4),
        L.Dense(3, "sigmoid", use_bias=False),
        L.Dense(2, "softmax"),
    ),
    "inert": lambda: numbers(
        L.Dropout(0.5), L.LSTM(4, dropout=0.5, recurrent_dropout=0.5, unroll=False), L.Dropout(0.2)
    ),
    "activations as layers": lambda: numbers(
        L.Dense(9), L.ReLU(), L.GRU(4, return_sequences=True), L.Activation("tanh"), L.LSTM(3), L.Softmax()
    ),
    "step by step": lambda: numbers(
        L.TimeDistributed(L.Dense(6, "tanh")),
        L.LSTM(4, return_sequences=True),
        L.TimeDistributed(L.Dropout(0.5)),
        L.TimeDistributed(L.Dense(3, use_bias=False)),
        L.TimeDistributed(L.Softmax()),
    ),
    "idle": lambda: numbers(
        *[L.SpatialDropout1D(0.5), L.GaussianNoise(0.5), L.GaussianDropout(0.5), L.AlphaDropout(0.5), L.Identity()],
        *[L.ActivityRegularization(0.1), L.LSTM(4)],
    ),
    "masking, then a softmax": lambda: numbers(L.Masking(), L.LSTM(4), L.Dense(3), L.Softmax()),
    "masking, step by step": lambda: numbers(
        *[L.Masking(), L.Dropout(0.5), L.GRU(4, return_sequences=True), L.ReLU()],
        *[L.TimeDistributed(L.Dense(3)), L.LSTM(2)],
    ),
    "masking": lambda: numbers(L.Masking(), L.LSTM(4, return_sequences=True), L.Dense(3), L.GRU(2)),
    "masking of 3": lambda: numbers(L.Masking(3.0), L.LSTM(4, return_sequences=True)),
    "masking, all steps": lambda: numbers(L.Masking(), L.SimpleRNN(4, return_sequences=True), L.Activation("tanh")),
    "masking, zeros": lambda: numbers(L.Masking(), L.GRU(4, return_sequences=True, zero_output_for_mask=True)),
    "masking, two directions": lambda: numbers(
        L.Masking(), L.Bidirectional(L.LSTM(4, return_sequences=True)), L.Bidirectional(L.LSTM(3))
    ),
    "masking, backwards": lambda: numbers(L.Masking(), L.GRU(4, go_backwards=True), L.Dense(1)),
    "words": lambda: words(L.LSTM(5), L.Dense(1, "sigmoid")),
    "masked words": lambda: words(L.Bidirectional(L.GRU(5, return_sequences=True)), L.LSTM(3), mask_zero=True),
}


@pytest.mark.parametrize("functional", [False, True], ids=["sequential", "functional"])
@pytest.mark.parametrize("stack", STACKS)
def test_models(stack: str, functional: bool, tmp_path: Path) -> None:
    model = saved(STACKS[stack](), tmp_path / "model.keras", functional)
    x = x_of("words" in stack)
    expected = keras.ops.convert_to_numpy(model(x))
    (tmp_path / "model.keras").rename(tmp_path / "a.bin")
    found = rnnfast.load_model(tmp_path / "a.bin", backend=BACKEND)
    np.testing.assert_allclose(outputs(found, x), expected, rtol=1e-5, atol=2e-6)
    wide = rnnfast.load_model(tmp_path / "a.bin", dtype="float64")
    y = outputs(wide, x.astype("float64") if x.dtype.kind == "f" else x)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=2e-6)
    found.save(tmp_path / "again.npz")
    again = rnnfast.load_model(tmp_path / "again.npz", backend=BACKEND)
    np.testing.assert_array_equal(outputs(again, x), outputs(found, x))


def test_what_streams_and_c_take(tmp_path: Path) -> None:
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    model = saved(numbers(L.GRU(6, return_sequences=True), L.LSTM(5), L.Dense(2, "tanh")), tmp_path / "model.keras")
    x = x_of(False)
    found = rnnfast.load_model(tmp_path / "model.keras")
    expected = keras.ops.convert_to_numpy(model(x))
    y = found.stream(ROWS).run(np.swapaxes(x, 0, 1))
    np.testing.assert_allclose(y[-1], expected, rtol=1e-5, atol=2e-6)
    found.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(outputs(rnnfast.load_model(tmp_path / "model.safetensors"), x), outputs(found, x))


def test_double_precision(tmp_path: Path) -> None:
    randomised(keras.Sequential(numbers(L.LSTM(3, dtype="float64")))).save(tmp_path / "model.keras")
    found = rnnfast.load_model(tmp_path / "model.keras")
    assert {array.dtype.name for array in found.parameters.values()} == {"float64"}
