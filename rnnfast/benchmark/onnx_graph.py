"""A case as an ONNX graph of one RNN, LSTM or GRU node, for the libraries that run such graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data
from rnnfast.benchmark.peer import NO_LINEAR
from rnnfast.integrations.onnx.weights import OPERATORS, arrays_of, attributes_of
from rnnfast.problem import Array


def lacks(case: Case) -> str | None:
    """Say what libraries that run such graphs cannot do of this case; None where they can run it."""
    if case.work == "training":
        return "runs no training"
    if case.kind == "resets":
        return "its nodes have no resets"
    if case.is_between:
        return NO_LINEAR
    if case.call in ("module(x)", "cell(x, state)", "record"):
        return "its weights are constants: nothing stands beside a call whose weights may have changed"
    return None if case.dtype == "float32" else f"runs no {case.dtype}"


def build(case: Case, data: Data) -> bytes:
    """Return the serialised graph: inputs as `feeds` names them, outputs Y (T, 1, B, H), Y_h and, for the LSTM, Y_c."""
    feeds_by_name = feeds(case, data)
    lengths = "" if data.lengths is None else "sequence_lens"
    states = [name for name in feeds_by_name if name.startswith("initial")]
    outputs = ["Y", "Y_h", "Y_c"][: 1 + len(data.states)]
    cell = "rnn_tanh" if case.cell == "rnn" else case.cell
    weights = arrays_of(OPERATORS[cell], data.weights)
    inputs_of_node = ["X", *weights, lengths, *states]
    node: Any = helper.make_node(OPERATORS[cell], inputs_of_node, outputs, **attributes_of(cell, case.hidden))
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(case.dtype))
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in feeds_by_name.items()
    ]
    state = [1, case.batch, case.hidden]
    results = [
        helper.make_tensor_value_info(name, kind, [case.steps, *state] if name == "Y" else state) for name in outputs
    ]
    constants = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph([node], "case", inputs, results, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.checker.check_model(model)
    serialised: bytes = model.SerializeToString()
    return serialised


def feeds(case: Case, data: Data) -> dict[str, Array]:
    """Return the graph's inputs by name."""
    lengths = {} if data.lengths is None else {"sequence_lens": data.lengths.astype(np.int32)}
    states = data.states if case.has_state else ()
    return {"X": data.x, **lengths, **dict(zip(("initial_h", "initial_c"), states, strict=False))}


def arrays(outputs: list[Array]) -> dict[str, Array]:
    """Return results by the benchmark's names."""
    y, *states = outputs
    return {"y": y[:, 0]} | dict(zip(("h_n", "c_n"), states, strict=False))
