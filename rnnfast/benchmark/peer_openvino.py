"""OpenVINO: the same graph of one node as onnxruntime's, compiled for the CPU, computing in float32."""

from __future__ import annotations

from typing import Any

import openvino

from rnnfast.benchmark import onnx_graph
from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data
from rnnfast.benchmark.peer import Prepared
from rnnfast.problem import Array

lacks = onnx_graph.lacks


def prepare(case: Case, data: Data) -> Prepared:
    """Make one infer request, its inputs and outputs shared with NumPy rather than copied."""
    core = openvino.Core()
    settings: dict[str, Any] = {
        "INFERENCE_NUM_THREADS": case.threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
    }
    compiled = core.compile_model(core.read_model(onnx_graph.build(case, data)), "CPU", settings)
    request, feeds = compiled.create_infer_request(), onnx_graph.feeds(case, data)

    def arrays(_: Any) -> dict[str, Array]:
        return onnx_graph.arrays([request.get_tensor(output).data.copy() for output in compiled.outputs])

    return Prepared(lambda: request.infer(feeds, share_inputs=True, share_outputs=True), arrays)
