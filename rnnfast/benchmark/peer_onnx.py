"""rnnfast's ONNX backend: a graph of one node prepared once, its inputs in a list."""

from __future__ import annotations

from functools import partial

from rnnfast.benchmark import onnx_graph
from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data
from rnnfast.benchmark.peer import Prepared
from rnnfast.integrations.onnx import prepare as prepare_graph

lacks = onnx_graph.lacks


def prepare(case: Case, data: Data) -> Prepared:
    """Make the graph ready, its weights packed."""
    prepared, feeds = prepare_graph(onnx_graph.build(case, data)), onnx_graph.feeds(case, data)
    inputs = [feeds[name] for name in prepared.inputs]
    return Prepared(partial(prepared.run, inputs), lambda outputs: onnx_graph.arrays(list(outputs)))
