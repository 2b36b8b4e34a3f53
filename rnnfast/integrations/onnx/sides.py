"""What runs beside the chain of a graph: shapes of what passes, states that come and go as inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rnnfast.integrations.json_values import shown
from rnnfast.integrations.onnx.graph import Node
from rnnfast.integrations.onnx.operators import FOLDED, maker
from rnnfast.integrations.onnx.shaping import ZERO
from rnnfast.problem import Array


class Sides:
    """Names of tensors that a Sequential has in other ways: `finals` are states after the last step."""

    def __init__(self, constants: Mapping[str, Array], inputs: Sequence[str]) -> None:
        self._constants, self._inputs = constants, inputs
        self._used: set[str] = set()
        self._states = {name: name for name in inputs}
        self._shapes: set[str] = set()
        self._repeated: dict[str, Array] = {}
        self._zeros: set[str] = set()
        self.finals: set[str] = set()
        self.remarks: list[str] = []

    def take(self, node: Node) -> bool:
        """Return whether a node runs beside the chain: it works out a shape, repeats, cuts or joins states."""
        if node.is_recurrent:
            return False
        first, *others = [name for name in node.inputs if name] or [""]
        result = node.outputs[0]
        constant = all(name in self._constants for name in others)
        if node.operator == "Shape" or (
            node.operator in FOLDED
            and first in {*self._shapes, *self._constants}
            and all(name in self._shapes or name in self._constants for name in others)
            and not (first in self._constants and constant)
        ):
            self._shapes.add(result)
        elif node.operator == "ConstantOfShape" and first in {*self._shapes, *self._constants}:
            if node.attribute("value", ZERO).any():
                return False
            self._zeros.add(result)
        elif node.operator == "Slice" and first in self._zeros and constant:
            self._zeros.add(result)
        elif node.operator == "Expand" and first in self._constants and others[0] in {*self._shapes, *self._constants}:
            self._repeated[result] = self._constants[first]
        elif node.operator == "Slice" and first in self._states and constant:
            self._states[result] = self._states[first]
        elif node.operator == "Slice" and first in self._repeated and constant and self._cuts_layers(node):
            known = [self._constants.get(name) for name in node.inputs]
            self._repeated[result] = maker(node)(known)(self._repeated[first], *known[1:])
        elif node.operator == "Concat" and {first, *others} <= self.finals:
            self.finals.add(result)
        else:
            return False
        return True

    def _cuts_layers(self, node: Node) -> bool:
        """Return whether a Slice is along the first axis alone, which rows repeated do not change."""
        axes = self._constants.get(node.inputs[3]) if len(node.inputs) > 3 else None
        return axes is not None and axes.reshape(-1).tolist() == [0]

    def use(self, name: str, remark: str) -> None:
        """Count an input of the graph as used, and keep the remark. Raises ValueError for what is no input."""
        if name not in self._states:
            raise ValueError(f"takes {shown(name)}, expected a constant or an input of the graph")
        self._used.add(self._states[name])
        if remark not in self.remarks:
            self.remarks.append(remark)

    def state(self, name: str) -> Array | None:
        """Return the state of this name, None where there is none or the caller of the model gives it."""
        if not name or name in self._zeros:
            return None
        if name in self._constants:
            return self._constants[name]
        if name in self._repeated:
            return self._repeated[name]
        self.use(name, "states are inputs of the graph: pass states to the model, or carry them on by stream()")
        return None

    def check_used(self) -> None:
        """Raise ValueError where the graph has an input that is neither a state nor lengths."""
        if unused := [name for name in self._inputs if name not in self._used]:
            raise ValueError(f"input {shown(unused[0])} is neither a state nor the lengths of rows")
