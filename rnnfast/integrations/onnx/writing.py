"""A graph while it is written: nodes one after another, their constants, inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from rnnfast.problem import Array

OPSET, IR_VERSION = 17, 10
"""Not the newest, so that programs of some years ago read it, too."""
LARGEST = 2**31 - 2**20
"""Bytes of constants; a file of ONNX may have less than 2 GiB."""


class Writing:
    """A graph that grows; every tensor has a name of its own."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self.constants: dict[str, Array] = {}

    def constant(self, name: str, array: Any) -> str:
        """Add a constant; whole numbers are int64. Returns its name."""
        self.constants[name] = np.asarray(array)
        return name

    def add(self, operator: str, inputs: Sequence[str], outputs: str | Sequence[str], **attributes: Any) -> str:
        """Add a node, called as its first output. Returns the name of that."""
        names = [outputs] if isinstance(outputs, str) else list(outputs)
        self.nodes.append(helper.make_node(operator, list(inputs), names, name=names[0], **attributes))
        return names[0]

    def takes(self, name: str, dtype: np.dtype[Any], shape: Sequence[int | str]) -> str:
        """Add an input; a text in its shape is a size that is open. Returns its name."""
        self.inputs.append(_declared(name, dtype, shape))
        return name

    def gives(self, name: str, dtype: np.dtype[Any], shape: Sequence[int | str]) -> None:
        """Add an output."""
        self.outputs.append(_declared(name, dtype, shape))

    def ends(self, last: str, name: str, dtype: np.dtype[Any], shape: Sequence[int | str]) -> None:
        """Have the graph's first output be `last`, a node's, called `name` from now on."""
        (node,) = [node for node in self.nodes if node.output[0] == last]
        node.output[0] = name
        self.outputs.insert(0, _declared(name, dtype, shape))

    def model(self) -> Any:
        """Return the whole as a checked onnx.ModelProto. Raises ValueError for one that is too large."""
        if (size := sum(array.nbytes for array in self.constants.values())) > LARGEST:
            raise ValueError(f"the parameters have {size:,} bytes, a file of ONNX holds less than {2**31:,}")
        tensors = [numpy_helper.from_array(array, name) for name, array in self.constants.items()]
        graph = helper.make_graph(self.nodes, "rnnfast", self.inputs, self.outputs, tensors)
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, producer_name="rnnfast", opset_imports=[opset], ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        return model


def _declared(name: str, dtype: np.dtype[Any], shape: Sequence[int | str]) -> Any:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), list(shape))
