"""Keras: a functional model of one layer that begins with zeros, on the backend that KERAS_BACKEND names.

Forward on any backend; training, PyTorch's autograd, on its torch backend.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np

from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data
from rnnfast.benchmark.peer import Prepared
from rnnfast.problem import Array

LAYERS = {"lstm": "LSTM", "gru": "GRU", "rnn": "SimpleRNN"}


def lacks(case: Case) -> str | None:
    """Say what is not timed here."""
    if case.cell not in LAYERS or case.kind != "dense" or case.call or case.work == "step":
        return "is timed on dense batches of whole sequences without a state"
    if case.work == "training" and keras.backend.backend() != "torch":
        return f"is not trained on Keras's {keras.backend.backend()} backend"
    return None


def prepare(case: Case, data: Data, changed: Callable[[Any], Any] = lambda model: model) -> Prepared:
    """Make the model and its input (B, T, I). `changed` takes the model and returns the one that is run."""
    x = keras.Input((case.steps, case.inputs), dtype=case.dtype)
    layer = getattr(keras.layers, LAYERS[case.cell])(case.hidden, return_sequences=True, dtype=case.dtype)
    model = changed(keras.Model(x, layer(x)))
    layer.set_weights(_keras_arrays(case, data.weights))
    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(case.threads)
    given = keras.ops.convert_to_tensor(_turned(data.x))
    if case.work == "training":
        return _training(case, model, layer, given, data)
    return Prepared(partial(model, given), lambda y: {"y": _turned(keras.ops.convert_to_numpy(y))})


def _training(case: Case, model: Any, layer: Any, x: Any, data: Data) -> Prepared:
    """Make the work forward and backward, to x and all weights."""
    import torch

    x.requires_grad_()
    wanted, dy = [x, *(weight.value for weight in layer.trainable_weights)], torch.from_numpy(_turned(data.dy))

    def train() -> Any:
        y = model(x, training=True)
        return y, torch.autograd.grad(y, wanted, dy)

    def arrays(result: Any) -> dict[str, Array]:
        y, (dx, *weights) = result
        found = _own_arrays(case, [weight.numpy() for weight in weights])
        return {"y": _turned(y.detach().numpy()), "x": _turned(dx.numpy()), **found}

    return Prepared(train, arrays)


def _turned(array: Array) -> Array:
    """Return an array (T, B, ·) as (B, T, ·), or such as the other, in new memory."""
    return np.ascontiguousarray(array.swapaxes(0, 1))


def _keras_arrays(case: Case, weights: dict[str, Array]) -> list[Array]:
    """Return Keras's kernel, recurrent kernel and bias, a GRU's (2, 3·H), of others one."""
    w_ih, w_hh, *biases = (_reordered(case, weights[f"{name}_l0"]) for name in NAMES)
    return [w_ih.T, w_hh.T, np.stack(biases) if case.cell == "gru" else biases[0] + biases[1]]


def _own_arrays(case: Case, arrays: list[Array]) -> dict[str, Array]:
    """Return gradients by Keras's weights as those of ours; two biases that are added have the same one."""
    kernel, recurrent, bias = arrays
    found = [kernel.T, recurrent.T, *(bias if case.cell == "gru" else (bias, bias))]
    return {f"{name}_l0": _reordered(case, array) for name, array in zip(NAMES, found, strict=True)}


NAMES = "weight_ih", "weight_hh", "bias_ih", "bias_hh"


def _reordered(case: Case, array: Array) -> Array:
    """Return rows by gates z r n as r z n, or the other way round; those of other cells as they are."""
    if case.cell != "gru":
        return array
    first, second, third = np.split(array, 3)
    return np.concatenate([second, first, third])
