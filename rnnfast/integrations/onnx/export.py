"""Nets and models written as ONNX graphs, for programs that run such."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnfast.checks.values import truth
from rnnfast.integrations.onnx.arithmetic import ACTIVATIONS, OF_ROWS
from rnnfast.integrations.onnx.layers import add_recurrent
from rnnfast.integrations.onnx.writing import Writing
from rnnfast.modules.frozen import Frozen
from rnnfast.modules.recurrent import Recurrent
from rnnfast.net.files import replacement
from rnnfast.nn import chain
from rnnfast.nn.activation import Activation
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.linear import Linear
from rnnfast.nn.sequential import Sequential

OPERATORS = {name: operator for operator, name in ACTIVATIONS.items()}


def export(model: Any, path: str | os.PathLike[str], *, states: bool = False) -> None:
    """Write an RNN, LSTM, GRU, a frozen one, or a `Sequential` as an ONNX graph of float32 or float64.

    Its input x and output y are (T, B, ·) or, where a part is batch_first, (B, T, ·), of any T and B; an Embedding's x
    is int64. With `states` each recurrent part NAME, of a net alone "net", has the inputs NAME.h0 and, of an LSTM,
    NAME.c0, (L·D, B, H), and the outputs NAME.h_n and NAME.c_n; without, it begins with zeros or its learned states.

    A file that was there is replaced whole or not at all. Raises TypeError for what is no such model, ValueError for
    more than 2 GiB, OSError where the file cannot be written.

    >>> from rnnfast import nn
    >>> model = nn.Sequential(net=rnnfast.LSTM(3, 8, seed=0), head=nn.Linear(8, 1, seed=1), out="tanh")
    >>> export(model, "model.onnx")
    >>> rnnfast.load_model("model.onnx")
    Sequential(lstm0=LSTM(3, 8), linear1=Linear(weight (1, 8), bias (1,)), tanh2=Activation('tanh'))
    """
    written = _written(*_parts(model), truth("states", states)).model().SerializeToString()
    with replacement(os.fspath(path)) as file:
        file.write(written)


def _parts(model: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the parts by name, and the states that some begin with."""
    if isinstance(model, Sequential):
        return model.parts, model.initial_states
    if isinstance(model, (Recurrent, Frozen)) and not model.net.one_step:
        return {"net": model}, {}
    raise TypeError(f"model is a {type(model).__name__}, expected an RNN, LSTM or GRU, a frozen one, or a Sequential")


def _written(parts: Mapping[str, Any], initial: Mapping[str, Any], states: bool) -> Writing:
    writing, nets = Writing(), [part.net for part in parts.values() if _is_net(part)]
    axes: list[int | str] = ["B", "T"] if any(net.batch_first for net in nets) else ["T", "B"]
    taken, dtype = _taken(parts)
    shape = axes if taken is None else [*axes, taken]
    at = writing.takes("x", np.dtype(np.int64) if taken is None else dtype, shape)
    for name, part in parts.items():
        if _is_net(part):
            at = add_recurrent(writing, name, part, at, initial.get(name), states)
        else:
            at = _add(writing, name, part, at)
    given = nets[0].output_size if [*parts] == ["net"] and nets else chain.output_size(parts)
    writing.ends(at, "y", dtype, [*axes, given or "C"])
    return writing


def _is_net(part: Any) -> bool:
    return isinstance(part, (Recurrent, Frozen))


def _taken(parts: Mapping[str, Any]) -> tuple[int | str | None, np.dtype[Any]]:
    """Return the features of x, None of an embedding's, "C" for any number, and the dtype that all is computed in."""
    for part in parts.values():
        if isinstance(part, Embedding):
            return None, part.dtype
        if _is_net(part):
            return part.net.input_size, part.net.dtype
        if isinstance(part, Linear):
            return part.in_features, part.dtype
    return "C", np.dtype(np.float32)


def _add(writing: Writing, name: str, part: Any, x: str) -> str:
    """Add a layer or activation. Returns the name of its output."""
    if isinstance(part, Activation):
        axis = {"axis": -1} if OPERATORS[part.function] in OF_ROWS else {}
        return writing.add(OPERATORS[part.function], [x], f"{name}.y", **axis)
    if isinstance(part, Embedding):
        return writing.add("Gather", [writing.constant(f"{name}.weight", part.parameters["weight"]), x], f"{name}.y")
    weight = writing.constant(f"{name}.weight", np.ascontiguousarray(part.parameters["weight"].T))
    y = writing.add("MatMul", [x, weight], f"{name}.product")
    if "bias" not in part.parameters:
        return y
    return writing.add("Add", [y, writing.constant(f"{name}.bias", part.parameters["bias"])], f"{name}.y")
