"""Models as RTNeural and Neural Amp Modeler keep them: random files, and what their documentation says they compute."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.problem import Array

Layers = list[tuple[str, int, str]]
"""Type, units and activation of each layer."""


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


ACTIVATIONS: dict[str, Any] = {
    "": lambda x: x,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "softmax": softmax,
    "relu": lambda x: np.where(x > 0, x, 0),
}


def keras_lstm(x: Array, kernel: Array, recurrent: Array, bias: Array) -> Array:
    """y (T, H) of x (T, I); gates i f c o in the columns."""
    h = c = np.zeros(len(recurrent))
    y = []
    for row in x:
        i, f, g, o = np.split(row @ kernel + h @ recurrent + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        y.append(h)
    return np.array(y)


def keras_gru(x: Array, kernel: Array, recurrent: Array, bias: Array) -> Array:
    """y (T, H) of x (T, I); gates z r h in the columns. bias (2, 3H): reset_after; (3H,): the reset gate before."""
    h, y = np.zeros(len(recurrent)), []
    size = len(h)
    for row in x:
        if bias.ndim == 2:
            (xz, xr, xh), (hz, hr, hh) = np.split(row @ kernel + bias[0], 3), np.split(h @ recurrent + bias[1], 3)
            z, r = sigmoid(xz + hz), sigmoid(xr + hr)
            candidate = np.tanh(xh + r * hh)
        else:
            xz, xr, xh = np.split(row @ kernel + bias, 3)
            z, r = sigmoid(xz + h @ recurrent[:, :size]), sigmoid(xr + h @ recurrent[:, size : 2 * size])
            candidate = np.tanh(xh + (r * h) @ recurrent[:, 2 * size :])
        h = z * h + (1 - z) * candidate
        y.append(h)
    return np.array(y)


def rtneural_file(rng: np.random.Generator, inputs: int, layers: Layers) -> dict[str, Any]:
    """A file of these layers with random weights; a dense layer of activation "no bias" has none of either."""
    listed, width = [], inputs
    for kind, units, activation in layers:
        columns = {"lstm": 4, "gru": 3}.get(kind, 1) * units
        shapes: list[tuple[int, ...]] = [(width, columns), (units, columns), (columns,)]
        if kind == "gru":
            shapes[2] = (2, columns)
        if "dense" in kind:
            shapes = [(width, columns)] if activation == "no bias" else [(width, columns), (columns,)]
        if kind == "activation":
            shapes = []
        weights = [(rng.standard_normal(shape) * 0.6).astype(np.float32).tolist() for shape in shapes]
        shown = "" if activation == "no bias" else activation
        listed.append({"type": kind, "activation": shown, "shape": [None, None, units], "weights": weights})
        width = units
    return {"in_shape": [None, None, inputs], "layers": listed}


def rtneural_output(file: dict[str, Any], x: Array) -> Array:
    """What the file's layers make of x (T, I), in float64."""
    for layer in file["layers"]:
        weights = [np.array(array) for array in layer["weights"]]
        if layer["type"] == "lstm":
            x = keras_lstm(x, *weights)
        elif layer["type"] == "gru":
            x = keras_gru(x, *weights)
        else:
            if weights:
                x = x @ weights[0] + (weights[1] if len(weights) > 1 else 0)
            x = ACTIVATIONS[layer["activation"]](x)
    return x


def nam_file(
    rng: np.random.Generator, inputs: int, hidden: int, layers: int, outputs: int = 1, **more: Any
) -> dict[str, Any]:
    """A file of the architecture LSTM with random weights and states to begin with."""
    numbers = [outputs * (hidden + 1)]
    for layer in range(layers):
        numbers.append(4 * hidden * ((hidden if layer else inputs) + hidden) + 6 * hidden)
    config = {"input_size": inputs, "hidden_size": hidden, "num_layers": layers}
    if (inputs, outputs) != (1, 1):
        config |= {"in_channels": inputs, "out_channels": outputs}
    weights = (rng.standard_normal(sum(numbers)) * 0.6).astype(np.float32).tolist()
    return {"version": "0.5.4", "architecture": "LSTM", "config": config, "weights": weights} | more


def nam_output(file: dict[str, Any], x: Array) -> Array:
    """What the file's layers and head make of x (T, I), in float64; the weights are taken one after another."""
    config, rest = file["config"], np.array(file["weights"])
    hidden = config["hidden_size"]

    def take(*shape: int) -> Array:
        nonlocal rest
        found, rest = rest[: int(np.prod(shape))].reshape(shape), rest[int(np.prod(shape)) :]
        return found

    for _ in range(config["num_layers"]):
        matrix, bias, h, c = take(4 * hidden, x.shape[1] + hidden), take(4 * hidden), take(hidden), take(hidden)
        y = []
        for row in x:
            i, f, g, o = np.split(matrix @ np.concatenate([row, h]) + bias, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            y.append(h)
        x = np.array(y)
    outputs = config.get("out_channels", 1)
    y_of_head: Array = x @ take(outputs, hidden).T + take(outputs)
    assert not rest.size
    return y_of_head
