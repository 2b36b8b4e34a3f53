"""A recurrent part written as ONNX nodes: one for each layer, what turns their axes, and the states around them."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.integrations.onnx.weights import OPERATORS, arrays_of, attributes_of
from rnnfast.integrations.onnx.writing import Writing
from rnnfast.net.description import Net
from rnnfast.net.loading import LEARNED
from rnnfast.problem import Array


def add_recurrent(writing: Writing, name: str, part: Any, x: str, initial: Any, states: bool) -> str:
    """Add the layers of a net, or a frozen one, called `name`. Returns the name of its output.

    initial: the states (L·D, H) that it begins with, of an LSTM two, None: zeros. states: they are inputs instead, and
    those after the last step outputs. Raises ValueError for a cell that ONNX has not.
    """
    net: Net = part.net
    if net.cell not in OPERATORS:
        raise ValueError(f"{name} is an LSTM with proj_size={net.proj_size}, and ONNX's LSTM has no projection")
    parameters = part.parameters.on_host()
    if net.batch_first:
        x = writing.add("Transpose", [x], f"{name}.time_major", perm=[1, 0, 2])
    before = _given(writing, name, net) if states else _learned(writing, name, net, x, initial)
    after: list[list[str]] = [[] for _ in net.states]
    for layer in range(net.num_layers):
        label = f"{name}.l{layer}"
        weights = [
            writing.constant(f"{label}.{short}", array)
            for short, array in arrays_of(net.name, parameters, layer, net.num_directions).items()
        ]
        starts = [_of_layer(writing, f"{label}.{short}", net, layer, whole) for short, whole in before.items()]
        finals = [f"{label}.{state}_n" for state in net.states] if states else []
        inputs = [x, *weights, *([""] * (3 - len(weights)) if starts else []), *(["", *starts] if starts else [])]
        attributes = attributes_of(net.cell, net.hidden_size, net.num_directions)
        y = writing.add(OPERATORS[net.cell], inputs, [f"{label}.Y", *finals], **attributes)
        for names, final in zip(after, finals, strict=False):
            names.append(final)
        x = _without_directions(writing, label, net, y)
    _finals(writing, name, net, after)
    return writing.add("Transpose", [x], f"{name}.batch_first", perm=[1, 0, 2]) if net.batch_first else x


def _given(writing: Writing, name: str, net: Net) -> dict[str, str]:
    """Add the states as inputs. Returns their names, by those of the states."""
    shape: list[int | str] = [net.num_layers * net.num_directions, "B", net.hidden_size]
    return {short: writing.takes(f"{name}.{short}", net.dtype, shape) for short in LEARNED[: len(net.states)]}


def _learned(writing: Writing, name: str, net: Net, x: str, initial: Any) -> dict[str, str]:
    """Add learned states, repeated for every row; where one of two is zeros, both. Returns names as `_given`."""
    if initial is None:
        return {}
    arrays = initial if isinstance(initial, tuple) else (initial,)
    count = net.num_layers * net.num_directions
    rows = writing.add("Shape", [x], f"{name}.rows", start=1, end=2)
    sizes = [writing.constant(f"{name}.{of}", np.array([size])) for of, size in (("D", count), ("H", net.hidden_size))]
    shape = writing.add("Concat", [sizes[0], rows, sizes[1]], f"{name}.state_shape", axis=0)
    found = {}
    for short, array in zip(LEARNED, arrays, strict=False):
        state: Array = np.zeros((count, net.hidden_size), net.dtype) if array is None else array
        learned = writing.constant(f"{name}.learned_{short}", state[:, None])
        found[short] = writing.add("Expand", [learned, shape], f"{name}.{short}")
    return found


def _of_layer(writing: Writing, label: str, net: Net, layer: int, whole: str) -> str:
    """Return the name of a layer's rows of a state (L·D, B, H)."""
    if net.num_layers == 1:
        return whole
    bounds = {"first": layer * net.num_directions, "end": (layer + 1) * net.num_directions, "axis": 0}
    constants = [writing.constant(f"{label}.{of}", np.array([number])) for of, number in bounds.items()]
    return writing.add("Slice", [whole, *constants], label)


def _without_directions(writing: Writing, label: str, net: Net, y: str) -> str:
    """Return the name of Y (T, D, B, H) as (T, B, D·H)."""
    if net.num_directions == 1:
        return writing.add("Squeeze", [y, writing.constant(f"{label}.D", np.array([1]))], f"{label}.y")
    turned = writing.add("Transpose", [y], f"{label}.turned", perm=[0, 2, 1, 3])
    shape = writing.constant(f"{label}.shape", np.array([0, 0, net.output_size]))
    return writing.add("Reshape", [turned, shape], f"{label}.y")


def _finals(writing: Writing, name: str, net: Net, after: list[list[str]]) -> None:
    """Add the states after the last step as outputs."""
    shape: list[int | str] = [net.num_layers * net.num_directions, "B", net.hidden_size]
    for state, names in zip(net.states, after, strict=True):
        if names:
            writing.gives(f"{name}.{state}_n", net.dtype, shape)
            writing.add("Concat", names, f"{name}.{state}_n", axis=0)
