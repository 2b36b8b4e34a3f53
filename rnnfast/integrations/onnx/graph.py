"""A graph as its file has it: inputs, outputs, constants and nodes, each node able to name itself in messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from rnnfast.integrations.json_values import LONGEST, shown
from rnnfast.problem import Array

RECURRENT = ("RNN", "LSTM", "GRU")


@dataclass(frozen=True)
class Declared:
    """An input or output: its name, dtype and shape; None in it: any size, in its place: any shape."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...] | None

    @property
    def fixed(self) -> tuple[int, ...] | None:
        """The shape, None where a size of it is open."""
        sizes = () if self.shape is None else [size for size in self.shape if size is not None]
        return None if self.shape is None or len(sizes) < len(self.shape) else tuple(sizes)


@dataclass(frozen=True, eq=False)
class Node:
    """A node: names of its inputs and outputs, "" where one is left out, and its attributes by name."""

    operator: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    opset: int

    @property
    def place(self) -> str:
        """The node as messages call it; one without a name goes by its first output."""
        called = self.name or next((f"that gives {shown(name)}" for name in self.outputs if name), "")
        return f"node {shown(called)} ({shown(self.operator)})"

    @property
    def is_recurrent(self) -> bool:
        """Whether it is an RNN, LSTM or GRU."""
        return self.operator in RECURRENT

    def attribute(self, name: str, default: Any) -> Any:
        """Return an attribute, a text as str."""
        return self.attributes.get(name, default)

    def check_attributes(self, *known: str) -> None:
        """Raise ValueError where the node has an attribute of another name."""
        if unknown := [name for name in self.attributes if name not in known]:
            raise ValueError(f"attribute {shown(unknown[0])} is not supported, expected {', '.join(known) or 'none'}")

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Have errors say in which node they arose."""
        try:
            yield
        except (TypeError, ValueError, IndexError, MemoryError) as error:
            raise named(error, self.place) from error


def named(error: Exception, place: str) -> Exception:
    """Return an error of this kind that begins with the place; of an index that is out of range, a ValueError."""
    kind = next((kind for kind in (MemoryError, TypeError) if isinstance(error, kind)), ValueError)
    return kind(f"{place}: {error}")


@dataclass(frozen=True, eq=False)
class Graph:
    """A graph whose nodes come after those that they take from; its constants are read-only."""

    inputs: Sequence[Declared]
    outputs: Sequence[str]
    constants: Mapping[str, Array]
    nodes: Sequence[Node]


def graph_of(model: Any) -> Graph:
    """Return the graph of a ModelProto that was checked. Raises ValueError for what no operator here could take."""
    opsets = {text(entry.domain) or "ai.onnx": entry.version for entry in model.opset_import}
    graph = model.graph
    if len(graph.sparse_initializer):
        raise ValueError("the graph has sparse constants, which are not supported")
    constants = {text(tensor.name): array_of(tensor, shown(text(tensor.name))) for tensor in graph.initializer}
    inputs = [_declared(value) for value in graph.input if text(value.name) not in constants]
    nodes = [node_of(node, opsets.get("ai.onnx", 0)) for node in graph.node]
    return Graph(inputs, [text(value.name) for value in graph.output], constants, nodes)


def array_of(tensor: Any, place: str) -> Array:
    """Return a tensor's numbers, read-only. Raises ValueError, which names the place, where its bytes do not fit."""
    if tensor.data_location == onnx.TensorProto.EXTERNAL:  # which `reading` has put in where there is a path
        raise ValueError(f"the tensor {place} is in another file: pass the path of the model")
    try:
        array = np.array(numpy_helper.to_array(tensor))
    except Exception as error:  # whatever a damaged tensor makes of the reader
        raise ValueError(f"the tensor {place} cannot be read: {error}") from error
    array.flags.writeable = False
    return array


def text(value: Any) -> str:
    """Return a name of a file, which protobuf gives as bytes where it is no UTF-8. Raises ValueError for such."""
    if isinstance(value, str):
        return value
    raise ValueError(f"the name {bytes(value[:LONGEST])!r} is no UTF-8")


def _declared(value: Any) -> Declared:
    name = text(value.name)
    if not value.type.HasField("tensor_type"):
        raise ValueError(f"input {shown(name)} is no tensor, which is not supported")
    kind = value.type.tensor_type
    try:
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(kind.elem_type))
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(f"input {shown(name)} has element type {kind.elem_type}, which is unknown") from error
    sizes = [d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim]
    return Declared(name, dtype, tuple(sizes) if kind.HasField("shape") else None)


def node_of(node: Any, opset: int) -> Node:
    """Return a NodeProto of this opset. Raises ValueError for one that is not ONNX's own, or has a graph inside."""
    attributes: dict[str, Any] = {}
    inputs, outputs = (tuple(text(name) for name in names) for names in (node.input, node.output))
    found = Node(text(node.op_type), text(node.name), inputs, outputs, attributes, opset)
    if text(node.domain) not in ("", "ai.onnx"):
        raise ValueError(
            f"{found.place} is of domain {shown(node.domain)}, which is not supported, expected ONNX's own"
        )
    for attribute in node.attribute:
        attributes[text(attribute.name)] = _value(attribute, found)
    return found


def _value(attribute: Any, node: Node) -> Any:
    """Return an attribute's value: a number, a str, an array, or a list of numbers or strs."""
    if attribute.ref_attr_name or attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
        raise ValueError(f"{node.place}: attribute {shown(attribute.name)} is a graph, which is not supported")
    value = helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        return array_of(value, f"{shown(attribute.name)} of {node.place}")
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (int, float)):
        return value
    return [item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in value]
