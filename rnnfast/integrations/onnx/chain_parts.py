"""The nodes of a chain that compute, as parts of a model and their arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.integrations.onnx.options import Options
from rnnfast.net.saved import Part
from rnnfast.problem import Array

Arrays = dict[str, Array]


class Parts:
    """Parts as they come, called after their kind and number, and what became of their arrays."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.arrays: Arrays = {}
        self.conversions: dict[str, str] = {}

    def _add(self, kind: str, options: dict[str, Any], arrays: Arrays, said: str = "", called: str = "") -> str:
        name = f"{called or kind.lower()}{len(self.parts)}"
        self.parts.append({"name": name, "kind": kind, "options": options})
        self.arrays |= {f"{name}.{key}": array for key, array in arrays.items()}
        if said:
            self.conversions[name] = said
        return name

    def add_recurrent(self, options: Options, w: Array, r: Array, b: Array | None, states: Arrays) -> int:
        """Add a layer with the states that it begins with. Returns its number of units."""
        parameters = options.parameters(w, r, b)
        columns: dict[str, int] = {short: parameters[f"weight_{short}_l0"].shape[1] for short in ("ih", "hh")}
        sizes = {"input_size": columns["ih"], "hidden_size": columns["hh"]}
        flags = {"bias": b is not None, "bidirectional": options.directions == 2}
        said = {"LSTM": "gates i o f g put in the order i f g o", "GRU": "gates z r n put in the order r z n"}
        self._add(options.kind, sizes | flags | dict(options.variant), parameters | states, said.get(options.kind, ""))
        return columns["hh"]

    def add_linear(self, weight: Array) -> None:
        """Add a layer without a bias, its weight (I, O)."""
        if weight.ndim != 2:
            raise ValueError(f"multiplies with an array of shape {weight.shape}, expected two axes")
        options = {"in_features": weight.shape[0], "out_features": weight.shape[1], "bias": False}
        self._add("Linear", options, {"weight": np.ascontiguousarray(weight.T)}, "weight transposed")

    def add_bias(self, bias: Array) -> None:
        """Give the last part, a Linear without one, its bias: (O,), or with axes of size 1 before."""
        last = self.parts[-1] if self.parts else None
        if last is None or last["kind"] != "Linear" or last["options"]["bias"]:
            raise ValueError("adds a constant to what is no product with a weight")
        if bias.shape[-1:] != (last["options"]["out_features"],) or bias.size != bias.shape[-1]:
            raise ValueError(f"adds an array of shape {bias.shape}, expected ({last['options']['out_features']},)")
        last["options"]["bias"] = True
        self.arrays[f"{last['name']}.bias"] = bias.reshape(-1)

    def add_embedding(self, table: Array) -> None:
        """Add a table (num_embeddings, embedding_dim)."""
        if table.ndim != 2:
            raise ValueError(f"looks up in an array of shape {table.shape}, expected two axes")
        sizes = {"num_embeddings": table.shape[0], "embedding_dim": table.shape[1]}
        self._add("Embedding", sizes, {"weight": table})

    def add_activation(self, function: str) -> None:
        """Add a function."""
        self._add("activation", {"function": function}, {}, called=function)


def learned(short: str, state: Array, directions: int, hidden: int, batch_first: bool) -> Arrays:
    """Return the state h0 or c0 (D, H) with which every row begins, nothing for zeros.

    Raises ValueError where rows begin with different ones.
    """
    rows = state.transpose(1, 0, 2) if batch_first and state.ndim == 3 else state
    if rows.ndim != 3 or rows.shape[::2] != (directions, hidden) or not rows.shape[1]:
        raise ValueError(f"begins with a state of shape {state.shape}, D is {directions}, H {hidden}")
    if (rows != rows[:, :1]).any():
        raise ValueError("begins with other states in each row")
    return {short: np.ascontiguousarray(rows[:, 0])} if rows.any() else {}
