"""Keras's recurrent layers for the tests: random weights, and calls by rnnfast beside Keras's own."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from rnnfast.integrations import keras as ours
from rnnfast.problem import Array

L = keras.layers
LAYERS: dict[str, Any] = {
    "lstm": L.LSTM,
    "gru": L.GRU,
    "gru before": lambda *a, **k: L.GRU(*a, reset_after=False, **k),
    "tanh": L.SimpleRNN,
    "relu": lambda *a, **k: L.SimpleRNN(*a, activation="relu", **k),
    "linear": lambda *a, **k: L.SimpleRNN(*a, activation=None, **k),
}


def randomised(layer: Any, seed: int = 0) -> Any:
    """The layer or model with random weights, its biases too."""
    rng = np.random.default_rng(seed)
    weights = layer.get_weights()
    layer.set_weights([(rng.standard_normal(w.shape) * 0.8 / np.sqrt(w.shape[0])).astype(w.dtype) for w in weights])
    return layer


def built(layer: Any, *shape: int, seed: int = 0) -> Any:
    """The layer, built for x of this shape, with random weights."""
    layer.build(shape)
    return randomised(layer, seed)


def arrays(results: Any) -> list[Array]:
    """Nested results as NumPy arrays, in order."""
    return [keras.ops.convert_to_numpy(part) for part in keras.tree.flatten(results)]


def both(layer: Any, *args: Any, **kwargs: Any) -> tuple[list[Array], list[Array]]:
    """What Keras gives for a call, and what it gives with layers that rnnfast runs, every one of them."""
    expected = arrays(layer(*args, **kwargs))
    ours.accelerate(layer)
    with nothing_by_keras():
        found = arrays(layer(*args, **kwargs))
    ours.restore(layer)
    return expected, found


class nothing_by_keras:
    """A block in which Keras's own loops over steps raise."""

    KINDS = L.RNN, L.LSTM, L.GRU

    def __enter__(self) -> None:
        """Put loops that raise in place of Keras's."""
        from rnnfast.integrations.keras import loop

        def refuse(*_: Any, **__: Any) -> None:
            raise AssertionError("Keras's own loop ran")

        self._before, self._listed = [vars(kind)["inner_loop"] for kind in self.KINDS], loop.LOOPS
        for kind in self.KINDS:
            kind.inner_loop = refuse
        loop.LOOPS = [refuse]

    def __exit__(self, *_: Any) -> None:
        """Put Keras's back."""
        from rnnfast.integrations.keras import loop

        loop.LOOPS = self._listed
        for kind, own in zip(self.KINDS, self._before, strict=True):
            kind.inner_loop = own


def compare(expected: list[Array], found: list[Array], tolerance: float = 2e-5) -> None:
    """Assert that results are of the same shapes and dtypes, and their numbers close."""
    assert [(a.shape, a.dtype) for a in expected] == [(a.shape, a.dtype) for a in found]
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other, one, rtol=tolerance, atol=tolerance)
