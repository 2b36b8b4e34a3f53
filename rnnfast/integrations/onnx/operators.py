"""The operators that are supported, by name; others are refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from rnnfast.integrations.json_values import shown
from rnnfast.integrations.onnx import arithmetic, selecting, shaping
from rnnfast.integrations.onnx.graph import RECURRENT, Node
from rnnfast.integrations.onnx.recurrent import recurrent
from rnnfast.integrations.onnx.shaping import Call, Known

MAKERS: dict[str, Callable[[Node, Known], Call]] = {
    "Add": arithmetic.add,
    "Cast": shaping.cast,
    "Concat": selecting.concat,
    "Constant": shaping.constant,
    "ConstantOfShape": shaping.constant_of_shape,
    "Expand": shaping.expand,
    "Gather": selecting.gather,
    "Gemm": arithmetic.gemm,
    "Identity": shaping.identity,
    "MatMul": arithmetic.matmul,
    "Mul": arithmetic.mul,
    "Reshape": shaping.reshape,
    "Shape": shaping.shape_of,
    "Slice": selecting.slice_,
    "Squeeze": shaping.squeeze,
    "Transpose": shaping.transpose,
    "Unsqueeze": shaping.unsqueeze,
    **dict.fromkeys(arithmetic.ACTIVATIONS, arithmetic.activation),
}
OUTPUTS = {"RNN": 2, "LSTM": 3, "GRU": 2}
"""The most outputs of those that have more than one."""
VIEWS = ("Cast", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")
"""Operators whose output may share the memory of their first input."""
FOLDED = (*VIEWS, "Concat", "Constant", "Gather", "Shape")
"""Operators that run once, when a graph is prepared, where their inputs are constants."""


def maker(node: Node, backend: str | None = None) -> Callable[[Known], Any]:
    """Return what makes the call of a node from its constant inputs. Raises ValueError for an unknown operator."""
    if len(node.outputs) > (most := OUTPUTS.get(node.operator, 1)):
        raise ValueError(f"has {len(node.outputs)} outputs, expected {most} at the most")
    if node.is_recurrent:
        return partial(recurrent, node, backend=backend)
    if node.operator not in MAKERS:
        known = ", ".join(sorted((*MAKERS, *RECURRENT)))
        raise ValueError(f"operator {shown(node.operator)} is not supported, expected {known}")
    return partial(MAKERS[node.operator], node)
