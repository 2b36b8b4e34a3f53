"""Neural Amp Modeler's .nam files of the architecture LSTM: the layers, the states they begin with, and the head.

A .nam is a JSON object of version, architecture, config, weights and, optionally, sample_rate and metadata. The weights
of an LSTM are one list of numbers: of each layer the matrix (4H, I + H) of input and hidden state, row by row, the bias
(4H,), the initial hidden state and the initial cell state, (H,) each; then the head's weight (outputs, H) and bias.
Sources: its model-file specification, and NeuralAmpModelerCore up to version 0.7.0 of the format. Its plug-in plays
half a second of silence through a model before the sound; here a stream begins with the states of the file.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from rnnfast.integrations.content import Content
from rnnfast.integrations.convert import of_nam
from rnnfast.integrations.json_values import Value, shown
from rnnfast.problem import Array

VERSIONS = (0, 5, 0), (0, 8, 0)
"""The first version of the format that is read, and the first that is not."""
CONFIG = ("input_size", "hidden_size", "num_layers", "in_channels", "out_channels")


def is_nam(value: Value) -> bool:
    """Return whether a JSON object is a file of Neural Amp Modeler."""
    return "architecture" in value and "weights" in value


def content(value: Value, dtype: np.dtype[Any]) -> Content:
    """Return the parts "lstm" and "head". Raises ValueError for other architectures, and that names what is wrong.

    >>> config = {"input_size": 1, "hidden_size": 1, "num_layers": 1}
    >>> file = {"version": "0.5.4", "architecture": "LSTM", "config": config, "weights": [0.5] * 16}
    >>> [part["kind"] for part in content(Value(file), np.dtype("float32")).parts]
    ['LSTM', 'Linear']
    """
    _check_version(value["version"])
    value["architecture"].one_of(("LSTM",))
    inputs, hidden, layers, outputs = _sizes(value["config"])
    numbers = value["weights"]
    first, above = (4 * hidden * (columns + hidden) + 6 * hidden for columns in (inputs, hidden))
    expected = first + (layers - 1) * above + outputs * (hidden + 1)
    if (count := numbers.count()) != expected:
        raise ValueError(f"weights has {count} numbers, by its config there are {expected}")
    arrays = _arrays(numbers.numbers((expected,), dtype), inputs, hidden, layers, outputs)
    sizes = {"input_size": inputs, "hidden_size": hidden, "num_layers": layers}
    return Content(
        "Neural Amp Modeler",
        [
            {"name": "lstm", "kind": "LSTM", "options": sizes},
            {"name": "head", "kind": "Linear", "options": {"in_features": hidden, "out_features": outputs}},
        ],
        arrays,
        {"lstm": "matrices of input and hidden state parted, single biases as bias_ih, states as h0 and c0"},
        _sample_rate(value),
        _remarks(value),
    )


def _check_version(version: Value) -> None:
    text = version.text()
    if not re.fullmatch(r"\d{1,9}\.\d{1,9}\.\d{1,9}", text):
        raise version.wrong("a version such as '0.5.4'")
    first, beyond = VERSIONS
    if not first <= tuple(map(int, text.split("."))) < beyond:
        known = f"{'.'.join(map(str, first))} to before {'.'.join(map(str, beyond))}"
        raise ValueError(f"version is {text}, formats that are known are {known}")


def _sizes(config: Value) -> tuple[int, int, int, int]:
    """Return the sizes of input and hidden state, the number of layers and of outputs."""
    if unknown := [key for key in config.keys() if key not in CONFIG]:  # noqa: SIM118
        raise ValueError(f"config.{shown(unknown[0])} is not known, expected {', '.join(CONFIG)}")
    inputs, hidden, layers = (config[name].size() for name in CONFIG[:3])
    channels = config["in_channels"].size() if "in_channels" in config else inputs
    if channels != inputs:
        raise ValueError(
            f"config.in_channels is {channels}, expected {inputs}, as input_size: others are not supported"
        )
    return inputs, hidden, layers, config["out_channels"].size() if "out_channels" in config else 1


def _arrays(numbers: Array, inputs: int, hidden: int, layers: int, outputs: int) -> dict[str, Array]:
    found: dict[str, Array] = {}
    states: dict[str, list[Array]] = {"h0": [], "c0": []}
    start = 0

    def taken(*shape: int) -> Array:
        nonlocal start
        first, start = start, start + int(np.prod(shape))
        return numbers[first:start].reshape(shape)

    for layer in range(layers):
        matrix = taken(4 * hidden, (hidden if layer else inputs) + hidden)
        found |= of_nam(matrix, taken(4 * hidden), layer=layer)
        for rows in states.values():
            rows.append(taken(hidden))
    named = {f"lstm.{name}": array for name, array in found.items()}
    named |= {f"lstm.{name}": np.stack(rows) for name, rows in states.items()}
    return named | {"head.weight": taken(outputs, hidden), "head.bias": taken(outputs)}


def _sample_rate(value: Value) -> float | None:
    if "sample_rate" not in value or (rate := value["sample_rate"]).value is None:
        return None
    if rate.number() <= 0:
        raise rate.wrong("a number above 0")
    return rate.number()


def _remarks(value: Value) -> list[str]:
    """Return what the metadata call the model, which change nothing of what it computes."""
    metadata = value.value.get("metadata")
    names = ("name", "modeled_by", "gear_make", "gear_model", "tone_type")
    metadata = metadata if isinstance(metadata, dict) else {}
    return [f"{name} {shown(metadata[name])}" for name in names if isinstance(metadata.get(name), str)]
