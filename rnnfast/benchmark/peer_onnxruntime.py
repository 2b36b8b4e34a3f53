"""onnxruntime: a session over a graph of one node, in int8 over the same graph after dynamic quantisation."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import replace
from pathlib import Path

import onnx
import onnxruntime

from rnnfast.benchmark import onnx_graph
from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data
from rnnfast.benchmark.peer import LOOSE, Prepared

ROUNDS = "x and h are rounded to 8 bits as well, at every step"
"""Of the quantised graph."""


def lacks(case: Case) -> str | None:
    """Say what its nodes lack, and which of them it quantises."""
    if case.weights == "bfloat16":
        return "runs no bfloat16: none of its recurrent nodes has it on a CPU"
    if case.weights == "int8" and case.cell != "lstm":
        return "runs no int8: its quantize_dynamic leaves all recurrent nodes but LSTM in float32"
    return onnx_graph.lacks(case)


def prepare(case: Case, data: Data) -> Prepared:
    """Make a session with weights packed; its threads spin no longer than a call, not to slow the next candidate."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = case.threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 3
    graph = onnx_graph.build(case, data)
    if case.weights:
        graph = _quantised(graph)
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    feeds = onnx_graph.feeds(case, data)
    prepared = Prepared(lambda: session.run(None, feeds), onnx_graph.arrays)
    return replace(prepared, rounds=ROUNDS, tolerance=LOOSE) if case.weights else prepared


def _quantised(graph: bytes) -> bytes:
    """Return the graph with weights in int8. Raises RuntimeError where any stayed as it was."""
    from onnxruntime.quantization import quantize_dynamic  # takes a second

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "int8.onnx")
        logging.disable(logging.WARNING)  # it advises to simplify graphs first, and there is one node
        try:
            quantize_dynamic(onnx.load_from_string(graph), path)
        finally:
            logging.disable(logging.NOTSET)
        made = path.read_bytes()
    kinds = {node.op_type for node in onnx.load_from_string(made).graph.node}
    if kinds != {"DynamicQuantizeLSTM"}:
        raise RuntimeError(f"quantize_dynamic made {', '.join(sorted(kinds))}, expected DynamicQuantizeLSTM")
    return made
