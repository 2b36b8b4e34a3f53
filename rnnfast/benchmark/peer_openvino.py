"""OpenVINO: the same graph of one node as onnxruntime's, compiled for the CPU, computing in float32."""

from __future__ import annotations

from typing import Any

import openvino

from rnnfast.benchmark import onnx_graph
from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data
from rnnfast.benchmark.peers import Prepared
from rnnfast.problem import Array


def lacks(case: Case) -> str | None:
    """Training and float64."""
    if case.work == "training":
        return onnx_graph.NOT_TRAINED
    return None if case.dtype == "float32" else f"runs no {case.dtype}"


def prepare(case: Case, data: Data) -> Prepared:
    """One infer request, its inputs and outputs shared with NumPy rather than copied."""
    core = openvino.Core()
    settings: dict[str, Any] = {
        "INFERENCE_NUM_THREADS": case.threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
    }
    compiled = core.compile_model(core.read_model(onnx_graph.build(case, data)), "CPU", settings)
    request, feeds = compiled.create_infer_request(), onnx_graph.feeds(data)

    def arrays(_: Any) -> dict[str, Array]:
        return onnx_graph.arrays([request.get_tensor(output).data.copy() for output in compiled.outputs])

    return Prepared(lambda: request.infer(feeds, share_inputs=True, share_outputs=True), arrays)
