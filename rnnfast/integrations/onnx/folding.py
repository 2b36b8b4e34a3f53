"""Constants that follow from constants: nodes that only move such, and shapes that are known, worked out once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rnnfast.integrations.onnx.graph import Graph, Node
from rnnfast.integrations.onnx.operators import FOLDED, maker
from rnnfast.problem import Array

ROOM = 1 << 20
"""Bytes that copies of constants may take beyond four times what the file has; a few nodes can ask for any number."""


def folded(graph: Graph) -> tuple[dict[str, Array], list[Node]]:
    """Return all constants by name, read-only, and the nodes that are left to run.

    Raises ValueError that names a node which is not supported or does not fit its inputs.
    """
    constants, left = dict(graph.constants), []
    shapes = {entry.name: entry.fixed for entry in graph.inputs}
    room = ROOM + 4 * sum(array.nbytes for array in constants.values())
    for node in graph.nodes:
        with node.naming():
            made = maker(node)
            known = inputs_of(node, constants, shapes)
            if known is None or (cost := _bytes(node, known)) > room:
                left.append(node)
                continue
            room -= cost
            found = np.asarray(made(known)(*known))
            found.flags.writeable = False
            constants[node.outputs[0]] = found
    return constants, left


def inputs_of(
    node: Node, constants: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...] | None]
) -> list[Array | None] | None:
    """Return the inputs of a node that can be worked out, None for one left out; None of a node that cannot be."""
    if node.operator not in FOLDED:
        return None
    if node.operator == "Shape" and (shape := shapes.get(node.inputs[0])) is not None:
        return [np.broadcast_to(np.float32(0), shape)]  # which takes no memory
    if not all(name in constants for name in node.inputs if name):
        return None
    return [constants[name] if name else None for name in node.inputs]


def _bytes(node: Node, known: Sequence[Array | None]) -> int:
    """Return about how much memory the output takes beyond that of its inputs."""
    there = [array for array in known if array is not None]
    if node.operator == "Concat":
        return sum(array.nbytes for array in there)
    if node.operator == "Gather" and there[0].ndim:
        axis = node.attribute("axis", 0)
        row = there[0].size // max(there[0].shape[axis], 1) if -there[0].ndim <= axis < there[0].ndim else 0
        return there[1].size * row * there[0].itemsize
    return 8 * there[0].size if node.operator == "Cast" else 0
