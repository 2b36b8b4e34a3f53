"""ONNX graphs for the tests: one recurrent node of random weights, any list of nodes, and onnxruntime's results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import helper, numpy_helper

from rnnfast.problem import Array

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
OPSET = 17


def node(operator: str, inputs: Sequence[str], outputs: Sequence[str], name: str = "", **attributes: Any) -> Any:
    """A node, called as its first output where no other name is given."""
    return helper.make_node(operator, list(inputs), list(outputs), name=name or outputs[0], **attributes)


def model(
    nodes: Sequence[Any],
    inputs: Mapping[str, Array | tuple[Any, Sequence[Any]]],
    outputs: Mapping[str, int | Array],
    constants: Mapping[str, Array],
    opset: int = OPSET,
) -> Any:
    """A model; an input is an array of the dtype and shape that it has, or these two, texts being sizes left open.

    Outputs are given with the number of their axes, real numbers then, or as arrays like them.
    """
    declared = []
    for name, given in inputs.items():
        dtype, shape = (given.dtype, given.shape) if isinstance(given, np.ndarray) else given
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        declared.append(helper.make_tensor_value_info(name, kind, list(shape)))
    results = []
    for name, like in outputs.items():
        axes, dtype = (like, np.dtype("f4")) if isinstance(like, int) else (like.ndim, like.dtype)
        kind = helper.np_dtype_to_tensor_dtype(dtype)
        results.append(helper.make_tensor_value_info(name, kind, [f"{name}{k}" for k in range(axes)]))
    tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(list(nodes), "test", declared, results, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def weights(
    rng: np.random.Generator, kind: str, inputs: int, hidden: int, directions: int, bias: bool = True
) -> dict[str, Array]:
    """Random W, R and B, in whose results a gate in the wrong place shows."""
    rows = GATES[kind] * hidden
    shapes: dict[str, tuple[int, ...]] = {"W": (directions, rows, inputs), "R": (directions, rows, hidden)}
    shapes |= {"B": (directions, 2 * rows)} if bias else {}
    return {name: (rng.standard_normal(shape) * 0.5).astype(np.float32) for name, shape in shapes.items()}


def onnxruntime_outputs(graph: Any, feeds: Mapping[str, Array]) -> list[Array]:
    """What onnxruntime makes of a model, or of a file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    source = graph if isinstance(graph, str) else graph.SerializeToString()
    session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    found: list[Array] = session.run(None, dict(feeds))
    return found


def assert_near(got: Sequence[Array], expected: Sequence[Array]) -> None:
    """The same shapes and dtypes, and values within float32's rounding of sums of some tens of terms."""
    assert len(got) == len(expected)
    for ours, theirs in zip(got, expected, strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)
