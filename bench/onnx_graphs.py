"""Graphs of one recurrent node, states in and out, run by rnnfast's ONNX backend and by onnxruntime, on one thread.

    python bench/onnx_graphs.py [--steps T,...] [--batch B,...] [--hidden H,...] [--seconds S]

Whole calls from Python: ours takes its inputs as a list, onnxruntime as a dict, which is the only form that it has.
Both take turns, the least time of each counts; results are compared first.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
import onnxruntime

import rnnfast
from rnnfast.benchmark import machine, onnx_graph
from rnnfast.benchmark.cases import CELLS, Case
from rnnfast.benchmark.data import make_data
from rnnfast.benchmark.timing import SHORT, Sampler, take_turns
from rnnfast.checks.command_line import counts, positive
from rnnfast.integrations.onnx import prepare


def measure(case: Case, seconds: float) -> tuple[float, float]:
    """The µs of a call of ours, and of onnxruntime's."""
    data = make_data(case)
    graph, feeds = onnx_graph.build(case, data), onnx_graph.feeds(case, data)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    prepared = prepare(graph)
    inputs = [feeds[name] for name in prepared.inputs]
    for got, expected in zip(prepared.run(inputs), session.run(None, feeds), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    calls = {"ours": partial(prepared.run, inputs), "theirs": partial(session.run, None, feeds)}
    samplers = {name: Sampler(call, pace=SHORT) for name, call in calls.items()}
    samples = take_turns(samplers, seconds, SHORT)
    return 1e6 * min(samples["ours"]), 1e6 * min(samples["theirs"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, sizes in (("steps", (1,)), ("batch", (1,)), ("hidden", (8, 16, 32, 64))):
        parser.add_argument(f"--{name}", type=counts, default=sizes, metavar="N,...")
    parser.add_argument("--seconds", type=positive, default=1.0, help="for each row")
    options = parser.parse_args()
    rnnfast.set_num_threads(1)
    print("\n".join(f"# {name}: {value}" for name, value in machine.describe(["onnxruntime"], (1,)).items()))
    print(f"{'cell':10}{'T':>5}{'B':>4}{'H':>5}{'rnnfast µs':>13}{'onnxruntime µs':>17}{'ratio':>8}")
    for cell in CELLS:
        for steps, batch, hidden in [(t, b, h) for t in options.steps for b in options.batch for h in options.hidden]:
            ours, theirs = measure(Case(cell, steps, batch, hidden), options.seconds)
            print(f"{cell:10}{steps:5}{batch:4}{hidden:5}{ours:13.1f}{theirs:17.1f}{theirs / ours:8.2f}")


if __name__ == "__main__":
    main()
