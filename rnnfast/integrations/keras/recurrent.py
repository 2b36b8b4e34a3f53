"""Keras's recurrent layers as nets: options and parameters of one direction or of two."""

from __future__ import annotations

from typing import Any, NamedTuple

from rnnfast.integrations.convert import of_keras
from rnnfast.integrations.json_values import Value
from rnnfast.integrations.keras.architecture import Layer, kind_of
from rnnfast.integrations.keras.options import check_options, truth
from rnnfast.integrations.keras.weights import Weights
from rnnfast.problem import Array

GATES = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}
SIDES = {"layer": "forward_layer", "backward_layer": "backward_layer"}
"""The directions of a Bidirectional, forward first: its options, and the groups of their weights."""


class Found(NamedTuple):
    """A net of one layer."""

    kind: str
    """LSTM, GRU or RNN."""
    options: dict[str, Any]
    arrays: dict[str, Array]
    gives_all: bool
    """Whether it gives the outputs of all steps, not the last alone."""


def of_one(layer: Layer, weights: Weights) -> Found:
    """Return an LSTM, GRU or SimpleRNN, whichever way it goes. Raises ValueError that names what is not supported."""
    options, arrays = _direction(layer, layer.group, weights, reverse=False)
    holds = not truth(layer.config, "zero_output_for_mask", False)
    options |= {"masked_output": "hold" if holds else "zero"}
    return Found(layer.kind.removeprefix("Simple"), options, arrays, truth(layer.config, "return_sequences", False))


def of_both(layer: Layer, weights: Weights) -> Found:
    """Return a Bidirectional. Raises ValueError as `of_one`, and for directions that no net here has."""
    layer.config["merge_mode"].one_of(("concat",))
    sides = [_side(layer, key) for key in SIDES]
    found = [
        _direction(side, f"{layer.group}/{group}", weights, reverse)
        for side, group, reverse in zip(sides, SIDES.values(), (False, True), strict=True)
    ]
    (options, forward), (others, backward) = found
    every = [truth(side.config, "return_sequences", False) for side in sides]
    if sides[0].kind != sides[1].kind or options != others or every[0] != every[1]:
        raise ValueError(f"{layer.place} has two directions that differ in more than the direction")
    # A merged output is Keras's own, zeros where steps are masked; the last outputs are those of the last live steps.
    options |= {"bidirectional": True, "masked_output": "zero" if every[0] else "hold"}
    return Found(sides[0].kind.removeprefix("Simple"), options, forward | backward, every[0])


def _side(layer: Layer, key: str) -> Layer:
    """Return one direction of a Bidirectional as a layer of the other's name."""
    node, reverse = layer.config[key], key != "layer"
    side = Layer(layer.name, kind_of(node, tuple(GATES)), Value(node["config"].value, f"{layer.place}.{key}"), "")
    check_options(side)
    if truth(side.config, "go_backwards", False) != reverse:
        raise ValueError(f"{side.place}.go_backwards is {not reverse}, which is not supported")
    return side


def _direction(layer: Layer, group: str, weights: Weights, reverse: bool) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the options and parameters of one direction of a recurrent layer."""
    config, kind = layer.config, layer.kind.removeprefix("Simple")
    units, bias = config["units"].size(), truth(config, "use_bias", True)
    for name in ("stateful", "return_state"):
        if truth(config, name, False):
            raise ValueError(f"{config.place}.{name} is true, which is not supported")
    options: dict[str, Any] = {"hidden_size": units, "bias": bias}
    if kind == "RNN":
        options["nonlinearity"] = config["activation"].one_of(("tanh", "relu", "linear"))
    else:
        config["activation"].one_of(("tanh",))
        config["recurrent_activation"].one_of(("sigmoid",))
    columns = GATES[layer.kind] * units
    of_bias: tuple[int, ...] = (columns,)
    if kind == "GRU":
        options["reset_after"] = truth(config, "reset_after", True)
        of_bias = (2, columns) if options["reset_after"] else of_bias
    shapes = [(None, columns), (units, columns), *([of_bias] if bias else [])]
    arrays = weights.shaped(f"{group}/cell", shapes)
    return options | {"input_size": arrays[0].shape[0]}, of_keras(kind, *arrays, reverse=reverse)
