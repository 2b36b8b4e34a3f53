"""The operators around recurrent nodes, each against onnxruntime on random arrays; others are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rnnfast.problem import Array

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
from onnx import helper, numpy_helper  # noqa: E402
from onnx_graphs import assert_near, model, node, onnxruntime_outputs  # noqa: E402

from rnnfast.integrations import onnx as ours  # noqa: E402

X = np.random.default_rng(1).standard_normal((2, 3, 1, 4)).astype(np.float32)
M = np.random.default_rng(2).standard_normal((3, 4)).astype(np.float32)


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


CASES: list[tuple[str, dict[str, Array], dict[str, Any], int]] = [
    ("Identity", {"x": X}, {}, 17),
    ("Transpose", {"x": X}, {}, 17),
    ("Transpose", {"x": X}, {"perm": [1, 0, 3, 2]}, 17),
    ("Squeeze", {"x": X}, {}, 17),
    ("Squeeze", {"x": X, "axes": ints(-2)}, {}, 17),
    ("Squeeze", {"x": X}, {"axes": [2]}, 11),
    ("Unsqueeze", {"x": M, "axes": ints(0, -1)}, {}, 17),
    ("Unsqueeze", {"x": M}, {"axes": [1]}, 11),
    ("Reshape", {"x": X, "shape": ints(0, -1, 2)}, {}, 17),
    ("Reshape", {"x": X, "shape": ints(6, 4)}, {}, 17),
    ("Reshape", {"x": X[:0], "shape": ints(0, 7)}, {"allowzero": 1}, 17),
    ("Expand", {"x": X, "shape": ints(3, 5, 1)}, {}, 17),
    ("ConstantOfShape", {"shape": ints(2, 0, 3)}, {}, 17),
    ("ConstantOfShape", {"shape": ints(2, 3)}, {"value": numpy_helper.from_array(ints(7))}, 17),
    ("Slice", {"x": X, "starts": ints(1, -3), "ends": ints(9, -1), "axes": ints(1, -1)}, {}, 17),
    (
        "Slice",
        {"x": X, "starts": ints(-1), "ends": ints(-99), "axes": ints(3), "steps": ints(-2)},
        {},
        17,
    ),
    ("Slice", {"x": X, "starts": ints(1), "ends": ints(2**63 - 1)}, {}, 17),
    ("Slice", {"x": X}, {"starts": [0, 1], "ends": [1, 3], "axes": [0, 1]}, 9),
    ("Concat", {"x": M, "y": M[1:]}, {"axis": 0}, 17),
    ("Gather", {"x": M, "i": ints(2, -1, 0)}, {}, 17),
    ("Gather", {"x": X, "i": np.array(1)}, {"axis": 1}, 17),
    ("Gemm", {"a": M, "b": M.T.copy()}, {"alpha": 0.5}, 17),
    ("Gemm", {"a": M, "b": M, "c": M[:, :3].copy()}, {"transB": 1, "beta": 2.0}, 17),
    ("Gemm", {"a": M, "b": M, "c": M[0].copy()}, {"transA": 1}, 17),
    ("MatMul", {"a": X, "b": M.T.copy()}, {}, 17),
    ("Add", {"a": X, "b": M}, {}, 17),
    ("Mul", {"a": M, "b": M[:1]}, {}, 17),
    ("Relu", {"x": X}, {}, 17),
    ("Tanh", {"x": X}, {}, 17),
    ("Sigmoid", {"x": X}, {}, 17),
    ("Softmax", {"x": X}, {}, 17),
    ("Softmax", {"x": X}, {"axis": 1}, 17),
    ("Softmax", {"x": X}, {}, 11),
    ("Softmax", {"x": X}, {"axis": -1}, 12),
    ("LogSoftmax", {"x": X}, {"axis": 0}, 17),
    ("Cast", {"x": X}, {"to": onnx.TensorProto.INT32}, 17),
    ("Cast", {"x": X}, {"to": onnx.TensorProto.DOUBLE}, 17),
    ("Shape", {"x": X}, {}, 17),
    ("Shape", {"x": X}, {"start": 1, "end": -1}, 17),
]


def made(operator: str, given: dict[str, Array], attributes: dict[str, Any], opset: int, *constant: str) -> Any:
    """A model of one node, sizes left open, those of its inputs that `constant` names being constants."""
    alone = node(operator, [*given], ["z"], **attributes)
    (like,) = ours.run_node(alone, [*given.values()], opset_version=opset)
    constants = {name: array for name, array in given.items() if name in constant}
    feeds = {name: array for name, array in given.items() if name not in constant}
    taken = {name: (array.dtype, [f"{name}{k}" for k in range(array.ndim)]) for name, array in feeds.items()}
    return model([alone], taken, {"z": like}, constants, opset), feeds


@pytest.mark.parametrize(("operator", "given", "attributes", "opset"), CASES, ids=lambda value: str(value)[:20])
def test_against_onnxruntime(operator: str, given: dict[str, Array], attributes: dict[str, Any], opset: int) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    first, *others = given
    for constant in ([], others, [first]) if others else ([],):
        graph, feeds = made(operator, given, attributes, opset, *constant)
        assert_near(ours.run_model(graph, feeds), onnxruntime_outputs(graph, feeds))


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"value": numpy_helper.from_array(M)}, M),
        ({"value_int": 3}, np.array(3)),
        ({"value_ints": [3, 4]}, ints(3, 4)),
        ({"value_float": 0.5}, np.array(0.5, np.float32)),
        ({"value_floats": [0.5]}, np.array([0.5], np.float32)),
    ],
    ids=lambda value: str(value)[:15],
)
def test_constants(attributes: dict[str, Any], expected: Array) -> None:
    (got,) = ours.run_model(model([node("Constant", [], ["z"], **attributes)], {}, {"z": expected}, {}), [])
    assert got.dtype == expected.dtype and got.shape == expected.shape and (got == expected).all()
    got[...] = 0  # its own memory


REFUSED: list[tuple[str, list[Array], dict[str, Any], str]] = [
    ("Conv", [X, X], {}, "operator Conv is not supported, expected Add, "),
    ("Softsign", [X], {}, "operator Softsign is not supported"),
    ("Cast", [X], {"to": onnx.TensorProto.FLOAT16}, "attribute to is 10, which is not supported"),
    ("Constant", [], {"value_string": "a"}, "value_string is not supported"),
    ("Add", [X, X.astype(np.float64)], {}, "float32 and float64, expected one for both"),
    ("Add", [X, M.T.copy()], {}, "could not be broadcast"),
    ("MatMul", [M, M], {}, "mismatch"),
    ("Gemm", [X, M], {}, "expected two axes"),
    ("Gather", [M, ints(3)], {}, "out of bounds"),
    ("Reshape", [M, ints(5, -1)], {}, "cannot reshape"),
    ("Reshape", [M, ints(12, 1, 0)], {}, "takes over an axis"),
    ("Reshape", [M, M], {}, "expected a vector of integers"),
    ("Slice", [M, ints(0), ints(1), ints(5)], {}, "axis 5"),
    ("Slice", [M, ints(0), ints(1), ints(0), ints(0)], {}, "step 0"),
    ("Squeeze", [M, ints(0)], {}, "size not equal to one"),
    ("Unsqueeze", [M, ints(7)], {}, "out of bounds"),
    ("Concat", [M, M.astype(np.float64)], {"axis": 0}, "expected one for all"),
    ("Transpose", [M], {"perm": [0, 0]}, "repeated axis"),
    ("Softmax", [M], {"axis": 2}, "axis is 2"),
    ("Relu", [ints(1)], {}, "i8"),
]


@pytest.mark.parametrize(("operator", "given", "attributes", "said"), REFUSED, ids=lambda value: str(value)[:12])
def test_refused_by_name_and_node(operator: str, given: list[Array], attributes: dict[str, Any], said: str) -> None:
    alone = node(operator, [f"x{k}" for k in range(len(given))], ["z"], name="inner", **attributes)
    with pytest.raises((ValueError, TypeError), match=rf"node inner \({operator}\): .*{said}"):
        ours.run_node(alone, given)


def test_more_outputs_than_there_are() -> None:
    for operator, most in (("GRU", 2), ("Tanh", 1)):
        with pytest.raises(ValueError, match=rf"node a \({operator}\): has 3 outputs, expected {most} at the most"):
            ours.run_node(node(operator, ["x"], ["a", "b", "c"]), [M])


def test_of_another_domain_or_with_a_graph_inside() -> None:
    with pytest.raises(ValueError, match="node z .FusedMatMul. is of domain com.microsoft"):
        ours.run_node(node("FusedMatMul", ["x"], ["z"], domain="com.microsoft"), [M])
    inside = helper.make_graph([node("Identity", ["x"], ["y"])], "g", [], [])
    branches = node("If", ["x"], ["z"], then_branch=inside, else_branch=inside)
    with pytest.raises(ValueError, match="node z .If.: attribute (then|else)_branch is a graph"):
        ours.run_node(branches, [np.array(True)])
