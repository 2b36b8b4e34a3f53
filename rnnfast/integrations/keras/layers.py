"""Keras's layers as parts of a model: what their configurations mean, and their arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rnnfast.integrations.json_values import Value
from rnnfast.integrations.keras import recurrent
from rnnfast.integrations.keras.architecture import Layer, kind_of
from rnnfast.integrations.keras.options import IDLE, check_options, only, truth
from rnnfast.integrations.keras.weights import Weights
from rnnfast.net.saved import Part
from rnnfast.nn.activation import FUNCTIONS
from rnnfast.problem import Array

OF_STEPS = ("Dense", "Activation", "ReLU", "Softmax", *IDLE)
"""Layers that take a step at a time anyway: TimeDistributed changes nothing of them."""


class Parts:
    """Parts as layers come, and their arrays, from an open file of weights."""

    def __init__(self, weights: Weights) -> None:
        self.parts: list[Part] = []
        self.arrays: dict[str, Array] = {}
        self.conversions: dict[str, str] = {}
        self._weights = weights
        self._masked = self._turned = False
        """Whether steps are masked, and whether those of outputs are in another order than Keras's mask then."""

    def add(self, layer: Layer) -> None:
        """Add what a layer is. Raises ValueError that names the layer and the option that is not supported."""
        kinds: dict[str, Callable[[Layer], None]] = {
            **dict.fromkeys(("InputLayer", *IDLE), self._nothing),
            "Masking": self._masking,
            "Activation": self._activation,
            "ReLU": self._relu,
            "Softmax": self._softmax,
            "Embedding": self._embedding,
            "Dense": self._dense,
            "TimeDistributed": self._time_distributed,
            **dict.fromkeys(("Bidirectional", *recurrent.GATES), self._recurrent),
        }
        if layer.kind not in kinds:
            listed = ", ".join(kinds)
            raise ValueError(f"{layer.place} is of class {layer.kind!r}, which is not supported, expected {listed}")
        check_options(layer)
        kinds[layer.kind](layer)

    def _part(self, name: str, kind: str, options: dict[str, Any], arrays: dict[str, Array], said: str = "") -> None:
        name = name.replace(".", "_")
        self.parts.append({"name": name, "kind": kind, "options": options})
        self.arrays |= {f"{name}.{key}": array for key, array in arrays.items()}
        if said:
            self.conversions[name] = said

    def _nothing(self, layer: Layer) -> None:
        """Add nothing: the layer gives what it takes."""

    def _masking(self, layer: Layer) -> None:
        self._masked = True
        self._part(layer.name, "Masking", {"value": layer.config["mask_value"].number()}, {})

    def _activation(self, layer: Layer) -> None:
        self._function(layer.name, layer.config["activation"])

    def _function(self, name: str, value: Value) -> None:
        if (function := value.one_of(("linear", *FUNCTIONS))) != "linear":
            self._part(name, "activation", {"function": function}, {})

    def _relu(self, layer: Layer) -> None:
        for name in ("negative_slope", "threshold"):
            only(layer.config, name, 0)
        if "max_value" in layer.config and layer.config["max_value"].value is not None:
            raise ValueError(f"{layer.place}.max_value is set, which is not supported")
        self._part(layer.name, "activation", {"function": "relu"}, {})

    def _softmax(self, layer: Layer) -> None:
        only(layer.config, "axis", -1)
        if self._masked:
            raise ValueError(f"{layer.place} gets masked steps, which is not supported: Keras masks features by them")
        self._part(layer.name, "activation", {"function": "softmax"}, {})

    def _embedding(self, layer: Layer) -> None:
        sizes = layer.config["input_dim"].size(), layer.config["output_dim"].size()
        (table,) = self._weights.shaped(layer.group, [sizes])
        if truth(layer.config, "mask_zero", False):
            self._masked = True
            self._part(f"{layer.name}_mask", "Masking", {"value": 0}, {})
        options = dict(zip(("num_embeddings", "embedding_dim"), sizes, strict=True))
        self._part(layer.name, "Embedding", options, {"weight": table})

    def _dense(self, layer: Layer) -> None:
        units, bias = layer.config["units"].size(), truth(layer.config, "use_bias", True)
        kernel, *biases = self._weights.shaped(layer.group, [(None, units), *([(units,)] if bias else [])])
        options = {"in_features": kernel.shape[0], "out_features": units, "bias": bias}
        arrays = {"weight": np.ascontiguousarray(kernel.T)} | dict(zip(("bias",), biases, strict=False))
        self._part(layer.name, "Linear", options, arrays, "weight transposed")
        function = layer.config["activation"]
        self._function(f"{layer.name}_{function.value}", function)

    def _time_distributed(self, layer: Layer) -> None:
        node = layer.config["layer"]
        within = Value(node["config"].value, f"{layer.place}.layer")
        self.add(Layer(layer.name, kind_of(node, OF_STEPS), within, f"{layer.group}/layer"))

    def _recurrent(self, layer: Layer) -> None:
        if self._masked and self._turned:  # Keras turned the outputs, not the mask
            raise ValueError(f"{layer.place} gets masked steps from a layer of go_backwards, which is not supported")
        if layer.kind == "Bidirectional":
            found = recurrent.of_both(layer, self._weights)
        else:
            found = recurrent.of_one(layer, self._weights)
            if truth(layer.config, "go_backwards", False):
                self._turned = True
                self._part(f"{layer.name}_reversed", "Reverse", {}, {})
        gates = "gates z r h put in the order r z n, " if found.kind == "GRU" else ""
        self._part(layer.name, found.kind, found.options, found.arrays, f"{gates}weights transposed")
        if not found.gives_all:
            self._masked = self._turned = False
            self._part(f"{layer.name}_last", "Last", {}, {})
