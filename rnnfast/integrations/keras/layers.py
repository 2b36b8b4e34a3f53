"""Keras's layers as parts of a model: what their configurations mean, and their arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rnnfast.integrations.convert import of_keras
from rnnfast.integrations.json_values import Value
from rnnfast.integrations.keras.architecture import Layer
from rnnfast.integrations.keras.weights import Weights
from rnnfast.net.saved import Part
from rnnfast.nn.activation import FUNCTIONS
from rnnfast.problem import Array

POLICIES = ("float32", "float64")
"""Names of the dtype policies in which layers compute as parts here do."""
GATES = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}
INERT = ("name", "trainable", "dtype", "seed", "unroll", "implementation", "dropout", "recurrent_dropout")
"""Options that change nothing of what a layer computes in inference, beside initial values and what training does."""
TRAINING = ("_initializer", "_regularizer", "_constraint")
"""How the names of those end."""
OPTIONS = {
    "InputLayer": ("batch_shape", "sparse", "ragged", "optional", "input_tensor", "shape", "batch_size"),
    "Dropout": ("rate", "noise_shape"),
    "Masking": ("mask_value",),
    "Activation": ("activation",),
    "Embedding": ("input_dim", "output_dim", "mask_zero", "input_length", "quantization_config", "lora_rank"),
    "Dense": ("units", "activation", "use_bias", "quantization_config", "lora_rank", "lora_alpha"),
    "Bidirectional": ("layer", "backward_layer", "merge_mode"),
}
OF_SEQUENCES = ("units", "activation", "use_bias", "return_sequences", "return_state", "go_backwards", "stateful")
OPTIONS |= {
    "SimpleRNN": (*OF_SEQUENCES, "zero_output_for_mask"),
    "LSTM": (*OF_SEQUENCES, "zero_output_for_mask", "recurrent_activation", "unit_forget_bias", "use_cudnn"),
    "GRU": (*OF_SEQUENCES, "zero_output_for_mask", "recurrent_activation", "reset_after", "use_cudnn"),
}
"""Options of each kind of layer that is read."""


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
            "InputLayer": self._nothing,
            "Dropout": self._nothing,
            "Masking": self._masking,
            "Activation": self._activation,
            "Embedding": self._embedding,
            "Dense": self._dense,
            "Bidirectional": self._bidirectional,
            **dict.fromkeys(GATES, self._recurrent),
        }
        if layer.kind not in kinds:
            listed = ", ".join(kinds)
            raise ValueError(f"{layer.place} is of class {layer.kind!r}, which is not supported, expected {listed}")
        _check_options(layer)
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

    def _embedding(self, layer: Layer) -> None:
        sizes = layer.config["input_dim"].size(), layer.config["output_dim"].size()
        (table,) = self._arrays(layer.group, [sizes])
        if _truth(layer.config, "mask_zero", False):
            self._masked = True
            self._part(f"{layer.name}_mask", "Masking", {"value": 0}, {})
        options = dict(zip(("num_embeddings", "embedding_dim"), sizes, strict=True))
        self._part(layer.name, "Embedding", options, {"weight": table})

    def _dense(self, layer: Layer) -> None:
        units, bias = layer.config["units"].size(), _truth(layer.config, "use_bias", True)
        kernel, *biases = self._arrays(layer.group, [(None, units), *([(units,)] if bias else [])])
        options = {"in_features": kernel.shape[0], "out_features": units, "bias": bias}
        arrays = {"weight": np.ascontiguousarray(kernel.T)} | dict(zip(("bias",), biases, strict=False))
        self._part(layer.name, "Linear", options, arrays, "weight transposed")
        function = layer.config["activation"]
        self._function(f"{layer.name}_{function.value}", function)

    def _recurrent(self, layer: Layer) -> None:
        self._check_order(layer)
        options, arrays = self._direction(layer, layer.group, reverse=False)
        holds = not _truth(layer.config, "zero_output_for_mask", False)
        if _truth(layer.config, "go_backwards", False):
            self._turned = True
            self._part(f"{layer.name}_reversed", "Reverse", {}, {})
        self._net(layer, options | {"masked_output": "hold" if holds else "zero"}, arrays, layer.config)

    def _bidirectional(self, layer: Layer) -> None:
        layer.config["merge_mode"].one_of(("concat",))
        self._check_order(layer)
        options: list[dict[str, Any]] = []
        arrays: dict[str, Array] = {}
        sides: list[Layer] = []
        for key, side in (("layer", "forward_layer"), ("backward_layer", "backward_layer")):
            node = layer.config[key]
            kind = node["class_name"].one_of(tuple(GATES))
            sides.append(Layer(layer.name, kind, Value(node["config"].value, f"{layer.place}.{key}"), layer.group))
            _check_options(sides[-1])
            reverse = key != "layer"
            if _truth(sides[-1].config, "go_backwards", False) != reverse:
                raise ValueError(f"{sides[-1].place}.go_backwards is {not reverse}, which is not supported")
            found, of_side = self._direction(sides[-1], f"{layer.group}/{side}", reverse)
            options.append(found)
            arrays |= of_side
        sequences = [_truth(side.config, "return_sequences", False) for side in sides]
        if sides[0].kind != sides[1].kind or options[0] != options[1] or sequences[0] != sequences[1]:
            raise ValueError(f"{layer.place} has two directions that differ in more than the direction")
        ordered = {name: arrays[name] for name in sorted(arrays, key=lambda name: name.endswith("_reverse"))}
        both = options[0] | {"bidirectional": True, "masked_output": "zero" if sequences[0] else "hold"}
        self._net(Layer(layer.name, sides[0].kind, layer.config, layer.group), both, ordered, sides[0].config)

    def _check_order(self, layer: Layer) -> None:
        """Raise ValueError behind a layer of go_backwards where steps are masked: Keras turns outputs, not the mask."""
        if self._masked and self._turned:
            raise ValueError(f"{layer.place} gets masked steps from a layer of go_backwards, which is not supported")

    def _net(self, layer: Layer, options: dict[str, Any], arrays: dict[str, Array], config: Value) -> None:
        gates = "gates z r h put in the order r z n, " if layer.kind == "GRU" else ""
        kind = layer.kind.removeprefix("Simple")
        self._part(layer.name, kind, options, arrays, f"{gates}weights transposed")
        if not _truth(config, "return_sequences", False):
            self._part(f"{layer.name}_last", "Last", {}, {})

    def _direction(self, layer: Layer, group: str, reverse: bool) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return the options and parameters of one direction of a recurrent layer."""
        config, kind = layer.config, layer.kind.removeprefix("Simple")
        units, bias = config["units"].size(), _truth(config, "use_bias", True)
        for name in ("stateful", "return_state"):
            if _truth(config, name, False):
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
            options["reset_after"] = _truth(config, "reset_after", True)
            of_bias = (2, columns) if options["reset_after"] else of_bias
        shapes = [(None, columns), (units, columns), *([of_bias] if bias else [])]
        arrays = self._arrays(f"{group}/cell", shapes)
        return options | {"input_size": arrays[0].shape[0]}, of_keras(kind, *arrays, reverse=reverse)

    def _arrays(self, group: str, shapes: list[Any]) -> list[Array]:
        """Return the arrays of a layer, which must be of these shapes, None: of any size."""
        arrays = self._weights.arrays(group)
        if len(arrays) != len(shapes):
            raise ValueError(f"{group}/vars has {len(arrays)} arrays, expected {len(shapes)}")
        for n, (array, shape) in enumerate(zip(arrays, shapes, strict=True)):
            sizes = zip(array.shape, shape, strict=False)
            fits = array.ndim == len(shape) and all(expected in (None, size) for size, expected in sizes)
            if not fits or not array.size:
                expected = f"({', '.join('any' if size is None else str(size) for size in shape)})"
                raise ValueError(f"{group}/vars/{n} has shape {array.shape}, expected {expected}")
        return arrays


def _check_options(layer: Layer) -> None:
    """Raise ValueError for options that nobody knows here, and for a dtype policy that computes otherwise."""
    config, known = layer.config, (*INERT, *OPTIONS[layer.kind])
    for key in config.keys():  # noqa: SIM118
        value = config[key].value
        if key not in known and not key.endswith(TRAINING) and value is not None:
            raise ValueError(f"{config.place}.{key} is not known, expected none but {', '.join(known)}")
        if (
            key in ("quantization_config", "lora_rank", "noise_shape", "input_tensor")
            and value
            and key != "noise_shape"
        ):
            raise ValueError(f"{config.place}.{key} is set, which is not supported")
    if "dtype" not in config or (policy := config["dtype"]).value is None:
        return
    if isinstance(policy.value, dict):
        if policy["class_name"].text() != "DTypePolicy":
            raise ValueError(f"{policy.place} is a {policy['class_name'].text()!r}, which is not supported")
        policy = policy["config"]["name"]
    if layer.kind != "InputLayer":
        policy.one_of(POLICIES)


def _truth(config: Value, name: str, default: bool) -> bool:
    """Return an option that is true or false, its default where a file does not tell it."""
    if name not in config:
        return default
    if not isinstance(config[name].value, bool):
        raise config[name].wrong("true or false")
    return bool(config[name].value)
