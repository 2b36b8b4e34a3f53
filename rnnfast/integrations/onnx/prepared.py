"""A graph made ready to run: its nodes as a list of calls bound to places in a list of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnfast.arrays.host import as_array
from rnnfast.integrations.json_values import shown
from rnnfast.integrations.onnx.folding import folded
from rnnfast.integrations.onnx.graph import Declared, Graph, Node, named
from rnnfast.integrations.onnx.operators import VIEWS, maker
from rnnfast.integrations.onnx.steps import Step, Values, of_result, of_results, taking
from rnnfast.problem import Array

ABSENT, UNUSED = 0, 1
"""Places of what a node leaves out: None among its inputs, and where outputs that nobody names go."""


class Prepared:
    """A graph that runs any number of times, also in several threads at once.

    `inputs` and `outputs` are the graph's names of them.

    >>> from rnnfast.integrations.onnx import export, prepare
    >>> export(rnnfast.LSTM(3, 4, seed=0), "lstm.onnx", states=True)
    >>> prepared = prepare("lstm.onnx")
    >>> prepared.inputs, prepared.outputs
    (('x', 'net.h0', 'net.c0'), ('y', 'net.h_n', 'net.c_n'))
    >>> h = c = np.zeros((1, 2, 4), np.float32)
    >>> y, h, c = prepared.run([np.ones((5, 2, 3), np.float32), h, c])
    """

    def __init__(self, graph: Graph, backend: str | None = None) -> None:
        constants, nodes = folded(graph)
        self._declared = tuple(graph.inputs)
        self._seen: list[tuple[Any, Any]] = [(None, None)] * len(self._declared)
        self.inputs = tuple(entry.name for entry in self._declared)
        self.outputs = tuple(graph.outputs)
        names = ["", "", *self.inputs, *constants, *(name for node in nodes for name in node.outputs if name)]
        self._places = {name: place for place, name in enumerate(names) if place > UNUSED}
        self._values: Values = [constants.get(name) for name in names]
        self._steps: list[Step] = []
        self._nodes: dict[int, Node] = {}
        for node in nodes:
            with node.naming():
                self._add(node, backend, constants)
        self._results = [self._places[name] for name in self.outputs]
        self._add_copies(nodes, constants)
        self._taken = taking(self._results)

    def _add(self, node: Node, backend: str | None, constants: Mapping[str, Array]) -> None:
        """Add the call of a node."""
        call = maker(node, backend)([constants.get(name) for name in node.inputs])
        sources = [self._places[name] if name else ABSENT for name in node.inputs]
        targets = [self._places[name] if name else UNUSED for name in node.outputs]
        self._nodes[len(self._steps)] = node
        self._steps.append(
            of_results(call, sources, targets) if node.is_recurrent else of_result(call, sources, targets[0])
        )

    def _add_copies(self, nodes: Sequence[Node], constants: Mapping[str, Array]) -> None:
        """Have outputs that would share the memory of inputs, constants or other outputs copied."""
        owners = {name: name for name in (*self.inputs, *constants)}
        for node in nodes:
            first = node.inputs[0] if node.inputs else ""
            owners |= {name: owners[first] if node.operator in VIEWS else name for name in node.outputs if name}
        taken = {*self.inputs, *constants}
        for number, name in enumerate(self.outputs):
            if owners[name] in taken:
                self._results[number] = len(self._values)
                self._values.append(None)
                self._steps.append(of_result(np.array, [self._places[name]], self._results[number]))
            taken.add(owners[name])

    def run(self, inputs: Any, **options: Any) -> tuple[Array, ...]:
        """Return the outputs, in the graph's order, for inputs in its order or by name.

        Raises ValueError for another number of inputs, shapes that do not fit and what a node cannot compute, which it
        names; TypeError for another dtype: nothing is cast.
        """
        if options:
            raise TypeError(f"run takes inputs alone, got {', '.join(options)}")
        given = inputs if type(inputs) is list or type(inputs) is tuple else self._listed(inputs)
        if len(given) != len(self.inputs):
            said = ", ".join(map(shown, self.inputs))
            raise ValueError(f"got {len(given)} inputs, this graph takes {len(self.inputs)}: {said}")
        values = self._values.copy()
        for place, array in enumerate(given):
            dtype, shape = self._seen[place]
            if type(array) is not np.ndarray or array.dtype is not dtype or array.shape != shape:
                array = self._looked_at(place, array)
            values[place + 2] = array
        number = 0
        try:
            for number, step in enumerate(self._steps):  # noqa: B007
                step(values)
        except (TypeError, ValueError, IndexError, MemoryError) as error:
            raise named(error, self._nodes[number].place) from error
        return self._taken(values)

    def _listed(self, inputs: Any) -> Sequence[Any]:
        """Return inputs in the graph's order, from a mapping by name or a sequence."""
        if not isinstance(inputs, Mapping):
            if isinstance(inputs, Sequence):
                return inputs
            raise TypeError(f"inputs is of type {type(inputs).__name__}, expected a list, or a mapping from names")
        found = [inputs[name] for name in self.inputs if name in inputs]
        if len(found) == len(inputs) == len(self.inputs):
            return found
        said = ", ".join(map(shown, self.inputs))
        wrong = sorted(map(str, set(inputs) ^ set(self.inputs)))
        raise ValueError(f"{shown(wrong[0])} is missing or no input of this graph, expected {said}")

    def _looked_at(self, place: int, given: Any) -> Array:
        """Return an input as an array, and remember its dtype and shape, if these are as declared."""
        entry = self._declared[place]
        array: Array = as_array(entry.name, given)
        check(entry, array)
        self._seen[place] = array.dtype, array.shape
        return array


def check(entry: Declared, array: Array) -> None:
    """Raise TypeError for another dtype than declared, ValueError for another shape."""
    if array.dtype != entry.dtype:
        raise TypeError(f"{shown(entry.name)} has dtype {array.dtype}, expected {entry.dtype}: nothing is cast")
    if entry.shape is None:
        return
    fits = len(array.shape) == len(entry.shape)
    if not fits or any(b not in (None, a) for a, b in zip(array.shape, entry.shape, strict=True)):
        said = ", ".join("any" if size is None else str(size) for size in entry.shape)
        raise ValueError(f"{shown(entry.name)} has shape {array.shape}, expected ({said})")
