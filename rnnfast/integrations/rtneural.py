"""RTNeural's JSON files: in_shape and layers, their weights as Keras keeps them.

Every layer has type, shape, whose last entry is the number of its units, weights, and, in some, activation. "dense" and
"time-distributed-dense": kernel (I, units) and, in most, bias. "lstm": kernel (I, 4H), recurrent kernel (H, 4H) and
bias (4H,), gates i f c o. "gru": the same with 3H and gates z r h, biases (2, 3H), the reset gate after the product.
"activation" has no weights. Source: RTNeural's model_loader.h and python/model_utils.py. RTNeural's other layout, state
dicts of PyTorch in JSON, is read as these are. Other names in a file are passed over, as RTNeural does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.integrations.content import Content
from rnnfast.integrations.convert import of_keras
from rnnfast.integrations.json_values import Value
from rnnfast.net.saved import Part
from rnnfast.nn.activation import FUNCTIONS
from rnnfast.problem import Array

TYPES = ("dense", "time-distributed-dense", "lstm", "gru", "activation")
GATES = {"lstm": 4, "gru": 3}
ACTIVATIONS = FUNCTIONS[:4]
"""Those that RTNeural has; log_softmax is none of them, its elu none of this library's."""
BEYOND = {"in_skip": 0, "in_gain": 0, "out_gain": 0}
"""What programs around RTNeural add to its files, and the value at which it does nothing."""


class Chain:
    """Parts as they come, each of the features that the one before it gives."""

    def __init__(self, features: int, dtype: np.dtype[Any]) -> None:
        self.features, self.dtype = features, dtype
        self.parts: list[Part] = []
        self.arrays: dict[str, Array] = {}
        self.conversions: dict[str, str] = {}

    def add(self, name: str, kind: str, options: dict[str, Any], arrays: dict[str, Array], said: str = "") -> None:
        """Add a part and its arrays, and what became of them."""
        self.parts.append({"name": name, "kind": kind, "options": options})
        self.arrays |= {f"{name}.{key}": array for key, array in arrays.items()}
        if said:
            self.conversions[name] = said


def is_rtneural(value: Value) -> bool:
    """Return whether a JSON object is such a file."""
    return "layers" in value and "in_shape" in value


def content(value: Value, dtype: np.dtype[Any]) -> Content:
    """Return a part for each layer and each activation. Raises ValueError that names a layer of another type.

    >>> dense = {"type": "dense", "activation": "tanh", "shape": [None, 2], "weights": [[[1.0, 2.0]], [0.0, 0.0]]}
    >>> found = content(Value({"in_shape": [None, 1], "layers": [dense]}), np.dtype("float32"))
    >>> [part["name"] for part in found.parts], found.arrays["dense0.weight"].tolist()
    (['dense0', 'dense0_tanh'], [[1.0], [2.0]])
    """
    for name, nothing in BEYOND.items():
        if name in value and value[name].number() != nothing:
            raise ValueError(f"{name} is {value[name].value}, which is not supported, expected {nothing} or none")
    chain = Chain(_last(value["in_shape"]), dtype)
    for number, layer in enumerate(value["layers"].items()):
        _add_layer(chain, number, layer)
    if not chain.parts:
        raise ValueError("layers has no layer that computes anything")
    rate = next((value[key].number() for key in ("sample_rate", "samplerate") if key in value), None)
    return Content("RTNeural", chain.parts, chain.arrays, chain.conversions, rate)


def _add_layer(chain: Chain, number: int, layer: Value) -> None:
    kind, units = layer["type"].one_of(TYPES), _last(layer["shape"])
    known = ("", "tanh") if kind in GATES else ("", *ACTIVATIONS)
    function = layer["activation"].one_of(known) if "activation" in layer else ""
    if kind in GATES:
        _add_recurrent(chain, f"{kind}{number}", kind, layer, units)
    elif kind != "activation":
        _add_dense(chain, f"dense{number}", layer["weights"], units)
    elif units != chain.features:
        raise ValueError(f"{layer.place}.shape ends in {units}, expected {chain.features}, as the layer before it")
    if kind not in GATES and function:
        name = f"activation{number}" if kind == "activation" else f"dense{number}_{function}"
        chain.add(name, "activation", {"function": function}, {})
    chain.features = units


def _add_dense(chain: Chain, name: str, weights: Value, units: int) -> None:
    count = _count(weights, 1, 2)
    arrays = {"weight": np.ascontiguousarray(weights[0].numbers((chain.features, units), chain.dtype).T)}
    if count == 2:
        arrays["bias"] = weights[1].numbers((units,), chain.dtype)
    options = {"in_features": chain.features, "out_features": units, "bias": count == 2}
    chain.add(name, "Linear", options, arrays, "weight transposed")


def _add_recurrent(chain: Chain, name: str, kind: str, layer: Value, units: int) -> None:
    weights, columns = layer["weights"], GATES[kind] * units
    _count(weights, 3, 3)
    shapes = (chain.features, columns), (units, columns), (2, columns) if kind == "gru" else (columns,)
    arrays = [weights[n].numbers(shape, chain.dtype) for n, shape in enumerate(shapes)]
    options = {"input_size": chain.features, "hidden_size": units}
    said = "gates z r h put in the order r z n" if kind == "gru" else "single bias as bias_ih"
    chain.add(name, kind.upper(), options, of_keras(kind.upper(), *arrays), f"weights transposed, {said}")


def _count(weights: Value, least: int, most: int) -> int:
    if not least <= (count := weights.count()) <= most:
        expected = f"{least}" if least == most else f"{least} or {most}"
        raise ValueError(f"{weights.place} has {count} arrays, expected {expected}")
    return count


def _last(shape: Value) -> int:
    """Return the number of features, the last entry of a shape such as [null, null, 8]."""
    axes = shape.items()
    if not 1 <= len(axes) <= 3:
        raise ValueError(f"{shape.place} has {len(axes)} axes, expected one to three: images are not supported")
    return axes[-1].size()
