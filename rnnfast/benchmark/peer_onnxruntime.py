"""onnxruntime: a session over a graph of one node."""

from __future__ import annotations

import onnxruntime

from rnnfast.benchmark import onnx_graph
from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data
from rnnfast.benchmark.peer import Prepared

lacks = onnx_graph.lacks


def prepare(case: Case, data: Data) -> Prepared:
    """Make a session with weights packed; its threads spin no longer than a call, not to slow the next candidate."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = case.threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(onnx_graph.build(case, data), options, providers=["CPUExecutionProvider"])
    feeds = onnx_graph.feeds(case, data)
    return Prepared(lambda: session.run(None, feeds), onnx_graph.arrays)
