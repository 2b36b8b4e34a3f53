"""A graph that is a plain chain, read as the parts of a `Sequential`; other graphs are pointed to the backend.

The axes of what goes from node to node are followed by name, 0 and 1 being the input's steps and rows in the order of
the file: a chain may turn its axes in any way, and the model made of it takes (T, B, ·) all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rnnfast.integrations.content import Content
from rnnfast.integrations.json_values import shown
from rnnfast.integrations.onnx.arithmetic import ACTIVATIONS, OF_ROWS
from rnnfast.integrations.onnx.chain_axes import Axes, reshaped, squeezed, transposed
from rnnfast.integrations.onnx.chain_parts import Arrays, Parts, learned
from rnnfast.integrations.onnx.folding import folded
from rnnfast.integrations.onnx.graph import Graph, Node
from rnnfast.integrations.onnx.options import options_of
from rnnfast.integrations.onnx.reading import read
from rnnfast.integrations.onnx.sides import Sides
from rnnfast.net.loading import LEARNED
from rnnfast.problem import Array

ADVICE = "a Sequential is a plain chain of parts, run this graph by rnnfast.integrations.onnx.prepare"


def content(model: Any) -> Content:
    """Return the parts of a graph and their arrays. Raises ValueError that names the node for what is no plain chain.

    >>> from rnnfast.integrations.onnx import export
    >>> export(rnnfast.GRU(3, 4, seed=0), "gru.onnx")
    >>> content("gru.onnx").parts[0]["name"]
    'gru0'
    """
    graph = read(model)
    constants, nodes = folded(graph)
    chain = _Chain(graph, constants)
    for node in nodes:
        with node.naming():
            if not chain.sides.take(node):
                chain.take(node)
    return chain.content(graph)


class _Chain:
    """Result of the nodes so far on the first input: the name of it, its axes, and the parts."""

    def __init__(self, graph: Graph, constants: Mapping[str, Array]) -> None:
        if not graph.inputs:
            raise ValueError(f"the graph has no input: {ADVICE}")
        first, self._constants = graph.inputs[0], constants
        self._at = first.name
        shape = first.shape or ()
        ranks = {"f": 3, "i": 2}
        if len(shape) != ranks.get(first.dtype.kind):
            said = f"input {shown(first.name)} is {first.dtype} of {len(shape)} axes"
            raise ValueError(f"{said}, expected three of real numbers or two of integers: {ADVICE}")
        self._axes: Axes = (0, 1, "F")[: len(shape)]
        self._sizes: dict[int | str, int | None] = dict(zip(self._axes, shape, strict=True))
        self._directions = 1
        self._time: int | str | None = None
        self._parts = Parts()
        self.sides = Sides(constants, [entry.name for entry in graph.inputs[1:]])

    def take(self, node: Node) -> None:
        """Go on by a node. Raises ValueError for one that no chain has."""
        others = [self._constants.get(name) for name in node.inputs if name != self._at]
        if self._at not in node.inputs or (not node.is_recurrent and any(array is None for array in others)):
            raise ValueError(f"takes other inputs than what comes before it and constants: {ADVICE}")
        if node.is_recurrent:
            self._recurrent(node)
        elif node.operator in ("Transpose", "Squeeze", "Reshape"):
            self._move(node, others)
        elif node.operator in ("MatMul", "Add", "Gather"):
            self._compute(node, others[0] if others else None)
        elif node.operator in ACTIVATIONS:
            self._activate(node)
        elif node.operator != "Identity":
            raise ValueError(f"is no part of a chain: {ADVICE}")
        self._at = node.outputs[0]

    def _recurrent(self, node: Node) -> None:
        options = options_of(node)
        given = dict(zip(("x", "W", "R", "B", "sequence_lens", *LEARNED), node.inputs, strict=False))
        w, r, b = (self._constants.get(given.get(name, "")) for name in ("W", "R", "B"))
        time = self._axes[int(options.batch_first)] if len(self._axes) == 3 else None
        if given["x"] != self._at or self._axes[2:] != ("F",) or self._time not in (None, time):
            raise ValueError(f"takes other axes than steps, rows and features: {ADVICE}")
        if (
            options.direction == "reverse"
            or not node.outputs[0]
            or w is None
            or r is None
            or (given.get("B") and b is None)
        ):
            raise ValueError(f"goes in reverse alone, gives no Y or has weights that are no constants: {ADVICE}")
        if lengths := given.get("sequence_lens"):
            self.sides.use(lengths, "sequence_lens: pass lengths= to the model")
        states: Arrays = {}
        for short in LEARNED:
            state = self.sides.state(given.get(short, ""))
            if state is not None:
                states |= learned(short, state, options.directions, r.shape[-1], options.batch_first)
        hidden = self._parts.add_recurrent(options, w, r, b, states)
        self._time, self._directions = time, options.directions
        first, second, _ = self._axes
        self._axes = (first, second, "D", "F") if options.batch_first else (first, "D", second, "F")
        self._sizes["F"] = hidden
        self.sides.finals.update(node.outputs[1:])

    def _move(self, node: Node, others: list[Array | None]) -> None:
        given = others[0] if others else None
        if node.operator == "Transpose":
            self._axes = transposed(self._axes, node)
        elif node.operator == "Squeeze":
            self._axes = squeezed(self._axes, node, given, self._directions)
        elif given is not None:
            features = self._directions * (self._sizes["F"] or 0)
            copies = not node.attribute("allowzero", 0)
            self._axes = reshaped(self._axes, given.tolist(), copies, self._sizes, features)
            self._sizes["F"] = features

    def _compute(self, node: Node, given: Array | None) -> None:
        rows = self._axes[-1] == "F" and "D" not in self._axes
        if given is None:
            raise ValueError(f"takes what comes before it twice: {ADVICE}")
        if node.operator == "Gather":
            if node.inputs[1] != self._at or self._axes != (0, 1) or node.attribute("axis", 0):
                raise ValueError(f"looks up other than indices in a table: {ADVICE}")
            self._parts.add_embedding(given)
            self._axes, self._sizes["F"] = (0, 1, "F"), given.shape[1]
        elif not rows or (node.operator == "MatMul" and node.inputs[0] != self._at):
            raise ValueError(f"takes other than features last: {ADVICE}")
        elif node.operator == "MatMul":
            self._parts.add_linear(given)
            self._sizes["F"] = given.shape[1]
        else:
            self._parts.add_bias(given)

    def _activate(self, node: Node) -> None:
        last = len(self._axes) - 1
        axis = node.attribute("axis", -1 if node.opset >= 13 else 1)
        if node.operator in OF_ROWS and (self._axes[-1] != "F" or "D" in self._axes or axis not in (-1, last)):
            raise ValueError(f"goes along axis {axis}, expected the features, last: {ADVICE}")
        self._parts.add_activation(ACTIVATIONS[node.operator])

    def content(self, graph: Graph) -> Content:
        """Return what was found. Raises ValueError where the graph's first output is not what the last node gives."""
        first, *others = graph.outputs
        if unknown := [name for name in others if name not in self.sides.finals]:
            raise ValueError(f"output {shown(unknown[0])} is no state after the last step: {ADVICE}")
        if first != self._at or sorted(self._axes, key=str) != [0, 1, "F"] or self._axes[-1] != "F":
            raise ValueError(f"output {shown(first)} is not what the last part gives, features last: {ADVICE}")
        if not self._parts.parts:
            raise ValueError(f"the graph has no node that computes anything: {ADVICE}")
        self.sides.check_used()
        found = self._parts
        return Content("ONNX", found.parts, found.arrays, found.conversions, remarks=self.sides.remarks)
