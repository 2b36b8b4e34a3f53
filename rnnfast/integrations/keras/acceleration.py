"""Existing models: every recurrent layer in one is given our loop over its steps, and its own back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from rnnfast.integrations.keras.loop import Loop, against, restricted

LOOP = "inner_loop"
"""What Keras's recurrent layers call to go over their steps."""
Model = Any
"""A model or layer of Keras."""


def accelerate(model: Model) -> Model:
    """Have rnnfast run every LSTM, GRU and SimpleRNN in a model from now on, in Bidirectional too; the model itself.

    On Keras's NumPy backend that is inference, on its PyTorch backend inference and training, `fit` and torch.compile
    included. Classes, weights, configurations and results stay what they are: masks, initial states, return_state,
    go_backwards, stateful layers, and dropout with Keras's own random numbers. Weights are read at each call. Of what
    rnnfast does not serve Keras's own code runs as before: `report` says which and why.

    Nothing of it is saved: loaded models, clones and copies are Keras's own until they are accelerated.

    Raises TypeError for what is no layer or model of Keras.

    >>> model = keras.Sequential([keras.layers.GRU(4)])
    >>> accelerate(model) is model
    True
    """
    for _, layer in _recurrent(model):
        if not is_accelerated(layer) and against(layer) is None and LOOP not in vars(layer):
            layer.__dict__[LOOP] = Loop(layer)
    return model


def restore(model: Model) -> Model:
    """Undo `accelerate`: Keras's own code runs the model's layers again; the model itself.

    >>> layer = restore(accelerate(keras.layers.GRU(4)))
    >>> "inner_loop" in vars(layer)
    False
    """
    for _, layer in _recurrent(model):
        _restore(layer)
    return model


@contextmanager
def accelerated(model: Model) -> Iterator[Model]:
    """Accelerate a model within a block; layers that were accelerated before stay so after it.

    >>> with accelerated(keras.layers.GRU(4)) as layer:
    ...     "inner_loop" in vars(layer)
    True
    >>> "inner_loop" in vars(layer)
    False
    """
    before = {id(layer) for _, layer in _recurrent(model) if is_accelerated(layer)}
    accelerate(model)
    try:
        yield model
    finally:
        for _, layer in _recurrent(model):
            if id(layer) not in before:
                _restore(layer)


def report(model: Model) -> dict[str, str]:
    """Return the names of the recurrent layers in a model that Keras's own code runs, each with why.

    Layers are looked at as they are now; one whose calls are Keras's in some cases alone is listed with these. Of a
    layer that is not listed, single calls may still be Keras's: of tensors on another device or of another dtype.

    >>> lstm, gru = keras.layers.LSTM(4, name="a"), keras.layers.GRU(4, activation="relu", name="b")
    >>> report(accelerate(keras.Sequential([lstm, gru])))
    {'b': 'its activation is relu, its recurrent_activation sigmoid, a GRUCell of tanh and sigmoid is served'}
    """
    reasons = {}
    for name, layer in _recurrent(model):
        reason = against(layer)
        if reason is None and not is_accelerated(layer):
            own = LOOP in vars(layer)
            reason = f"an {LOOP} of its own is bound to it" if own else "it was not accelerated"
        reason = reason or restricted(layer)
        if reason is not None:
            reasons[name] = reason
    return reasons


def is_accelerated(layer: Any) -> bool:
    """Return whether this very layer has our loop."""
    bound = vars(layer).get(LOOP)
    return type(bound) is Loop and bound.layer() is layer


def _restore(layer: Any) -> None:
    if type(vars(layer).get(LOOP)) is Loop:
        del layer.__dict__[LOOP]


def _recurrent(model: Model) -> Iterator[tuple[str, Any]]:
    """Give the recurrent layers in a model, itself included, by the names of the layers on the way there."""
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(f"model is of type {type(model).__name__}, expected a model or layer of Keras")
    seen: set[int] = set()
    waiting = [("", model)]
    while waiting:
        name, layer = waiting.pop(0)
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        if isinstance(layer, keras.layers.RNN):
            yield name or layer.name, layer
            continue
        inside = layer._flatten_layers(include_self=False, recursive=False)
        waiting += [(f"{name}/{part.name}" if name else part.name, part) for part in inside]
