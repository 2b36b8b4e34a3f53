"""Models of Keras in files for the tests, and inputs for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras_layers import L, randomised

import rnnfast
from rnnfast.problem import Array

ROWS, STEPS, FEATURES = 3, 8, 5


def x_of(index: bool) -> Array:
    """Rows of padded steps, as Keras takes them."""
    rng = np.random.default_rng(2)
    x = rng.integers(1, 9, (ROWS, STEPS)) if index else rng.standard_normal((ROWS, STEPS, FEATURES)).astype("float32")
    x[0, 5:] = 0
    x[1, 2] = 0
    return x


def words(*layers: Any, mask_zero: bool = False) -> list[Any]:
    return [L.Input((None,)), L.Embedding(9, 6, mask_zero=mask_zero), *layers]


def numbers(*layers: Any) -> list[Any]:
    return [L.Input((None, FEATURES)), *layers]


def saved(layers: list[Any], path: Path, functional: bool = False) -> Any:
    """A model of these layers with random weights, written to a file."""
    if functional:
        tensor = layers[0]
        for layer in layers[1:]:
            tensor = layer(tensor)
        model = keras.Model(layers[0], tensor)
    else:
        model = keras.Sequential(layers)
    randomised(model).save(path)
    return model


def outputs(model: rnnfast.nn.Sequential, x: Array) -> Array:
    """y as Keras gives it, rows first."""
    y: Array = model(np.swapaxes(x, 0, 1))[0]
    return np.swapaxes(y, 0, 1) if y.ndim == 3 else y
