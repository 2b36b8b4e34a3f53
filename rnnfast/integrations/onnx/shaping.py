"""Operators that change shapes and types alone: of each a function that makes the call of a node, its axes settled.

A maker takes the node and its inputs, None where they come with the call, and returns what is called with all inputs.
Sources: the operators' pages of ONNX, opsets 7 to 26.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx

from rnnfast.integrations.onnx.graph import Node
from rnnfast.problem import Array

Known = Sequence[Array | None]
Call = Callable[..., Any]

ZERO = np.zeros(1, np.float32)
"""What ConstantOfShape repeats where the node does not say."""
TYPES = {
    getattr(onnx.TensorProto, name): np.dtype(dtype)
    for name, dtype in {"FLOAT": "f4", "DOUBLE": "f8", "INT32": "i4", "INT64": "i8", "BOOL": "?"}.items()
}
"""What Cast makes."""


def identity(node: Node, known: Known) -> Call:
    """Identity: the input itself."""
    node.check_attributes()
    return lambda x: x


def transpose(node: Node, known: Known) -> Call:
    """Transpose: axes in the order of perm, without it from last to first."""
    node.check_attributes("perm")
    axes = node.attribute("perm", None)
    return lambda x: x.transpose(axes)


def squeeze(node: Node, known: Known) -> Call:
    """Squeeze: without these axes of size 1, or without all such."""
    return _of_axes(node, known, lambda x, axes: np.squeeze(x, axes))


def unsqueeze(node: Node, known: Known) -> Call:
    """Unsqueeze: with axes of size 1 at these places of the result."""

    def call(x: Array, axes: tuple[int, ...] | None) -> Array:
        if axes is None:
            raise ValueError("axes are missing")
        return np.expand_dims(x, axes)

    return _of_axes(node, known, call)


def _of_axes(node: Node, known: Known, function: Callable[[Array, tuple[int, ...] | None], Array]) -> Call:
    """Return a call of axes that are an attribute, before opset 13, or the second input."""
    if node.opset < 13:
        node.check_attributes("axes")
        axes = node.attribute("axes", None)
        settled = None if axes is None else tuple(axes)
        return lambda x: function(x, settled)
    node.check_attributes()
    if len(node.inputs) < 2 or not node.inputs[1]:
        return lambda x, _=None: function(x, None)
    if known[1] is not None:
        constant = integers("axes", known[1])
        return lambda x, _: function(x, constant)
    return lambda x, axes: function(x, integers("axes", axes))


def integers(name: str, array: Array) -> tuple[int, ...]:
    """Return a vector of integers, or a single one, as a tuple. Raises TypeError for other numbers."""
    if array.dtype.kind not in "iu" or array.ndim > 1:
        raise TypeError(f"{name} is {array.dtype} of shape {array.shape}, expected a vector of integers")
    return tuple(array.reshape(-1).tolist())


def reshape(node: Node, known: Known) -> Call:
    """Reshape: 0 takes over the axis of the input, unless allowzero; -1 is whatever is left."""
    node.check_attributes("allowzero")
    copied = not node.attribute("allowzero", 0)

    def call(x: Array, shape: Array) -> Array:
        sizes = integers("shape", shape)
        if copied and 0 in sizes:
            if any(size == 0 and k >= x.ndim for k, size in enumerate(sizes)):
                raise ValueError(f"shape {sizes} takes over an axis that an input of shape {x.shape} does not have")
            sizes = tuple(size or x.shape[k] for k, size in enumerate(sizes))
        return x.reshape(sizes)

    if known[1] is None or (copied and not known[1].all()):
        return call
    settled = integers("shape", known[1])
    return lambda x, _: x.reshape(settled)


def expand(node: Node, known: Known) -> Call:
    """Expand: repeated along axes of size 1, as both shapes broadcast, in memory of its own."""
    node.check_attributes()
    return lambda x, shape: np.broadcast_to(x, np.broadcast_shapes(x.shape, integers("shape", shape))).copy()


def constant_of_shape(node: Node, known: Known) -> Call:
    """ConstantOfShape: a number in all places of an array of this shape, without a value 0 in float32."""
    node.check_attributes("value")
    value = node.attribute("value", ZERO)
    if value.size != 1:
        raise ValueError(f"attribute value has shape {value.shape}, expected one number")
    return lambda shape: np.full(integers("shape", shape), value.reshape(()), value.dtype)


def cast(node: Node, known: Known) -> Call:
    """Cast: to float32, float64, int32, int64 or bool."""
    node.check_attributes("to", "saturate", "round_mode")  # the latter two are about other types
    dtype = TYPES.get(node.attribute("to", 0))
    if dtype is None:
        kinds = ", ".join(str(kind) for kind in TYPES.values())
        raise ValueError(f"attribute to is {node.attribute('to', None)}, which is not supported, expected {kinds}")
    return lambda x: x.astype(dtype, copy=False)


def shape_of(node: Node, known: Known) -> Call:
    """Shape: the sizes of the axes from start to before end, int64."""
    node.check_attributes("start", "end")
    part = slice(node.attribute("start", 0), node.attribute("end", None))
    return lambda x: np.array(x.shape[part], np.int64)


def constant(node: Node, known: Known) -> Call:
    """Constant: a tensor, number or list of numbers."""
    kinds = {"value": None, "value_int": "i8", "value_ints": "i8", "value_float": "f4", "value_floats": "f4"}
    node.check_attributes(*kinds)
    if len(node.attributes) != 1:
        raise ValueError(f"has {len(node.attributes)} values, expected one")
    ((name, value),) = node.attributes.items()
    array = value if name == "value" else np.array(value, kinds[name])
    array.flags.writeable = False
    return lambda: array
