"""What the attributes of a recurrent node say, all that is not supported refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rnnfast.integrations.convert import of_onnx
from rnnfast.integrations.json_values import shown
from rnnfast.integrations.onnx.graph import Node
from rnnfast.problem import Array

DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}
DEFAULT = {"LSTM": ("sigmoid", "tanh", "tanh"), "GRU": ("sigmoid", "tanh")}
"""Activations of the gates of one direction."""
NONLINEARITIES = {"tanh": "tanh", "relu": "relu", "affine": "linear"}
"""Of an RNN, in ONNX's words and in this library's; an Affine of alpha 1 and beta 0 is the identity."""
KNOWN = ("hidden_size", "direction", "layout", "activations", "activation_alpha", "activation_beta")
PEEPHOLES = 7
"""Where an LSTM's inputs have P."""


@dataclass(frozen=True)
class Options:
    """The kind of a node, its direction and layout, and the options that a net of its kind alone has."""

    kind: str
    direction: str
    batch_first: bool
    hidden_size: int | None
    variant: Mapping[str, Any]

    @property
    def directions(self) -> int:
        """D, the number of directions."""
        return DIRECTIONS[self.direction]

    def parameters(self, w: Array, r: Array, b: Array | None) -> dict[str, Array]:
        """Return the parameters of a net of one layer; of the reverse direction alone, those of one that goes forward.

        Raises ValueError where an array does not fit these options.
        """
        found = of_onnx(self.kind, w, r, b)
        if len(w) != self.directions:
            raise ValueError(f"W has {len(w)} directions, {self.direction} has {self.directions}")
        hidden = found["weight_hh_l0"].shape[1]
        if self.hidden_size not in (None, hidden):
            raise ValueError(f"attribute hidden_size is {self.hidden_size}, R has {hidden} columns")
        return found


def options_of(node: Node) -> Options:
    """Return a node's options. Raises ValueError that names an attribute or input which is not supported."""
    kind = node.operator
    own = {"GRU": ("linear_before_reset",), "LSTM": ("input_forget",)}.get(kind, ())
    if "clip" in node.attributes:
        raise ValueError("attribute clip is not supported, expected none: gates are not clipped")
    node.check_attributes(*KNOWN, *own)
    if node.attribute("input_forget", 0):
        raise ValueError("attribute input_forget=1, coupled gates, is not supported")
    if node.inputs[PEEPHOLES:] and node.inputs[PEEPHOLES]:
        raise ValueError("input P, peepholes, is not supported")
    direction, layout = node.attribute("direction", "forward"), node.attribute("layout", 0)
    if direction not in DIRECTIONS or layout not in (0, 1):
        raise ValueError(f"direction {shown(direction)} or layout {layout} is unknown")
    variant = {} if kind != "GRU" else {"reset_after": bool(node.attribute("linear_before_reset", 0))}
    activations = _activations(node, DIRECTIONS[direction])
    if kind == "RNN":
        variant = {"nonlinearity": activations}
    return Options(kind, direction, bool(layout), node.attribute("hidden_size", None), variant)


def _activations(node: Node, directions: int) -> Any:
    """Return the nonlinearity of an RNN, None of others. Raises ValueError for functions that no net here has."""
    default = DEFAULT.get(node.operator, ("tanh",))
    written = node.attribute("activations", [])
    given = [name.lower() for name in written] or list(default * directions)
    numbers = [node.attribute(f"activation_{name}", []) for name in ("alpha", "beta")]
    said = f"attribute activations={[shown(name) for name in written]}"
    if node.operator != "RNN":
        if given != list(default * directions) or any(numbers):
            raise ValueError(
                f"{said} with alpha {numbers[0]} and beta {numbers[1]} is not supported, expected {default}"
            )
        return None
    if len(given) != directions or len(set(given)) > 1 or given[0] not in NONLINEARITIES:
        raise ValueError(f"{said} is not supported, expected Tanh, Relu or Affine, the same for each direction")
    if given[0] != "affine" and any(numbers):
        raise ValueError(f"{said} takes no activation_alpha and activation_beta, which have {numbers}")
    if given[0] == "affine" and len(numbers[0]) != directions:
        raise ValueError(f"{said} has alpha {numbers[0]}, expected one for each direction: ONNX tells no default")
    if set(numbers[0]) - {1.0} or set(numbers[1]) - {0.0}:
        raise ValueError(
            f"{said} with alpha {numbers[0]} and beta {numbers[1]} is not supported, expected the identity"
        )
    return NONLINEARITIES[given[0]]
