"""Weights alone from files that Keras writes, which do not tell what they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="keras is not installed")
h5py = pytest.importorskip("h5py", reason="h5py is not installed")

from keras_files import numbers, outputs, x_of  # noqa: E402
from keras_layers import L, randomised  # noqa: E402
from nets import BACKEND  # noqa: E402

import rnnfast  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")  # Keras 3.15, NumPy 2


def weights(path: Path) -> Any:
    layers = [
        L.Embedding(9, 6, name="words"),
        L.Bidirectional(L.LSTM(4, return_sequences=True), name="both"),
        L.GRU(5, return_sequences=True, name="after"),
        L.GRU(3, return_sequences=True, reset_after=False, name="before"),
        L.SimpleRNN(4, return_sequences=True, activation="relu", name="relu"),
        L.Dense(2, "tanh", name="head"),
    ]
    model = randomised(keras.Sequential([L.Input((None,)), *layers]))
    model.save_weights(path)
    return model


PARTS = {"words": "Embedding", "both": "LSTM", "after": "GRU", "before": "GRU", "relu": "RNN_RELU", "head": "Linear"}


def test_weights_alone(tmp_path: Path) -> None:
    path = tmp_path / "model.weights.h5"
    model, x = weights(path), x_of(True)
    found = rnnfast.load_model(path, parts=PARTS | {"out": "tanh"}, backend=BACKEND)
    np.testing.assert_allclose(outputs(found, x), keras.ops.convert_to_numpy(model(x)), rtol=1e-5, atol=2e-6)
    with pytest.raises(ValueError, match=f"^{path}: the file does not tell what its arrays belong to: name the parts"):
        rnnfast.load_model(path)
    with pytest.raises(ValueError, match=f"^{path}: head.weight, head.bias belong to none of the parts"):
        rnnfast.load_model(path, parts={name: kind for name, kind in PARTS.items() if name != "head"})
    with pytest.raises(ValueError, match="after"):
        rnnfast.load_model(path, parts=PARTS | {"after": "LSTM"})


def test_weights_of_one_layer_need_no_word(tmp_path: Path) -> None:
    path, x = tmp_path / "a.weights.h5", x_of(False)
    for layer in (L.LSTM(3, return_sequences=True), L.GRU(3, reset_after=False, return_sequences=True)):
        model = randomised(keras.Sequential(numbers(layer)))
        model.save_weights(path)
        expected = keras.ops.convert_to_numpy(model(x))
        np.testing.assert_allclose(outputs(rnnfast.load_model(path), x), expected, rtol=1e-5, atol=2e-6)
    model = randomised(keras.Sequential(numbers(L.GRU(3, use_bias=False))))
    model.save_weights(path)
    with pytest.raises(ValueError, match=f"^{path}: .* is a GRU without a bias, .* does not tell reset_after"):
        rnnfast.load_model(path)
