"""A net's parameters and cell as an ONNX node has them: the arrays W, R and B, and the attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnfast.integrations.convert import GATES
from rnnfast.integrations.convert.libraries import OF_ONNX
from rnnfast.problem import Array

OPERATORS = {
    "rnn_tanh": "RNN",
    "rnn_relu": "RNN",
    "rnn_linear": "RNN",
    "lstm": "LSTM",
    "gru": "GRU",
    "gru_before": "GRU",
}
"""The operator of each cell."""
ACTIVATIONS = {"rnn_tanh": "Tanh", "rnn_relu": "Relu", "rnn_linear": "Affine"}
IDENTITY = {"activation_alpha": 1.0, "activation_beta": 0.0}
"""What makes an Affine the identity."""


def attributes_of(cell: str, hidden_size: int, directions: int = 1) -> dict[str, Any]:
    """Return the attributes of the node of a layer.

    >>> attributes_of("gru", 8)
    {'hidden_size': 8, 'direction': 'forward', 'linear_before_reset': 1}
    """
    found: dict[str, Any] = {"hidden_size": hidden_size, "direction": "forward" if directions == 1 else "bidirectional"}
    if OPERATORS[cell] == "GRU":
        found["linear_before_reset"] = int(cell == "gru")
    if cell in ACTIVATIONS:
        found["activations"] = [ACTIVATIONS[cell]] * directions
    if cell == "rnn_linear":
        found |= {name: [number] * directions for name, number in IDENTITY.items()}
    return found


def arrays_of(kind: str, parameters: Mapping[str, Array], layer: int = 0, directions: int = 1) -> dict[str, Array]:
    """Return W (D, G·H, I), R (D, G·H, H) and, of a net with biases, B (D, 2·G·H) of a layer of an RNN, LSTM or GRU.

    >>> arrays_of("LSTM", rnnfast.LSTM(3, 2).state_dict())["B"].shape
    (1, 16)
    """
    places = [GATES[kind].index(gate) for gate in OF_ONNX[kind]]

    def ordered(name: str) -> Array:
        gates = np.split(parameters[name], len(places))
        return np.concatenate([gates[place] for place in places])

    suffixes = (f"_l{layer}", f"_l{layer}_reverse")[:directions]
    found = {
        short: np.stack([ordered(name + suffix) for suffix in suffixes])
        for short, name in (("W", "weight_ih"), ("R", "weight_hh"))
    }
    if f"bias_ih_l{layer}" in parameters:
        biases = [np.concatenate([ordered("bias_ih" + suffix), ordered("bias_hh" + suffix)]) for suffix in suffixes]
        found["B"] = np.stack(biases)
    return found
