"""Operators that take numbers out of arrays or join arrays; of each a function that makes the call of a node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnfast.integrations.onnx.graph import Node
from rnnfast.integrations.onnx.shaping import Call, Known, integers
from rnnfast.problem import Array


def slice_(node: Node, known: Known) -> Call:
    """Slice: from starts to before ends along axes, in steps; attributes before opset 10, then inputs."""
    if node.opset < 10:
        node.check_attributes("starts", "ends", "axes")
        given = [node.attribute(name, None) for name in ("starts", "ends", "axes")]
        return lambda x: x[_slices(x.ndim, *given)]
    node.check_attributes()
    names = ("starts", "ends", "axes", "steps")[: len(node.inputs) - 1]

    def call(x: Array, *bounds: Array | None) -> Array:
        read: list[Any] = [None if b is None else integers(n, b) for n, b in zip(names, bounds, strict=True)]
        found: Array = x[_slices(x.ndim, *read)]
        return found

    return call


def _slices(
    axes_there: int,
    starts: Sequence[int],
    ends: Sequence[int],
    axes: Sequence[int] | None = None,
    steps: Sequence[int] | None = None,
) -> Any:
    """Return the index of a Slice."""
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    found = [slice(None)] * axes_there
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step == 0 or not -axes_there <= axis < axes_there:
            raise ValueError(f"axis {axis} and step {step}, expected one of {axes_there} axes and a step that is not 0")
        found[axis] = slice(start, end, step)
    return tuple(found)


def concat(node: Node, known: Known) -> Call:
    """Concat: one after another along axis."""
    node.check_attributes("axis")
    axis = node.attribute("axis", None)
    if axis is None:
        raise ValueError("attribute axis is missing")

    def call(*arrays: Array) -> Array:
        if len({array.dtype for array in arrays}) > 1:
            raise TypeError(f"inputs of dtypes {', '.join(str(a.dtype) for a in arrays)}, expected one for all")
        return np.concatenate(arrays, axis)

    return call


def gather(node: Node, known: Known) -> Call:
    """Gather: the entries at these indices along axis, which may count from the end."""
    node.check_attributes("axis")
    axis = node.attribute("axis", 0)
    return lambda x, index: np.asarray(np.take(x, index, axis))
