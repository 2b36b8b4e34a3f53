"""Cells and types of numbers beside the usual ones in `rnnfast bench`: who runs them, and that they are asked for."""

from __future__ import annotations

import re

import pytest

from rnnfast.benchmark import peers, worker
from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.options import Options
from rnnfast.benchmark.planning import make_plan
from rnnfast.benchmark.results import Measurement
from rnnfast.benchmark.suites import SUITES

pytest.importorskip("rich", reason="the benchmark needs rich")

from consoles import printed

from rnnfast.benchmark import summary


@pytest.mark.parametrize(("name", "dtype"), [("jax", "float64"), ("onnxruntime", "float32"), ("openvino", "float32")])
def test_a_gru_that_resets_before_the_product_is_right(name: str, dtype: str) -> None:
    if why := peers.reason(name):
        pytest.skip(why)
    found = worker.measure(Case("gru_before", 4, 3, 17, "forward", 5, dtype), [name], name, 0, probe=False)
    assert found.samples.keys() == {name} and not found.wrong


def test_the_reference_runs_it_in_every_work_and_torch_says_that_it_does_not() -> None:
    names = ["reference"] if peers.reason("torch") else ["reference", "torch"]
    for work in ("forward", "training", "step"):
        found = worker.measure(Case("gru_before", 1, 3, 4, work), names, "reference", 0, probe=False)
        assert found.samples.keys() == {"reference"} and not found.wrong
        assert found.skipped == dict.fromkeys(names[1:], "its GRU has the reset gate after the product")


def test_pytorch_runs_float64() -> None:
    if why := peers.reason("torch"):
        pytest.skip(why)
    found = worker.measure(Case("lstm", 4, 3, 17, "training", 5, "float64"), ["torch"], "torch", 0, probe=False)
    assert found.samples.keys() == {"torch"} and not found.wrong


def test_the_grid_has_them_where_they_are_named() -> None:
    asked = Options(cells=("gru", "gru_before"), dtype=("float32", "float64"), steps=(3,), batch=(2,), hidden=(5,))
    cases = make_plan(asked).cases
    kinds = [(cell, work, dtype) for dtype in asked.dtype for cell in asked.cells for work in ("forward", "training")]
    assert [(case.cell, case.work, case.dtype) for case in cases] == kinds
    usual = make_plan(Options(peers=())).cases
    assert set(usual) < set(SUITES["grid"]()) and {case.cell for case in usual} == {"rnn", "lstm", "gru"}


def test_each_type_of_numbers_has_a_mean_of_its_own() -> None:
    rows = [
        Measurement(Case("gru_before", 4, 2, 5, dtype=dtype), "c", samples={"c": [1.0], "jax": [ratio]})
        for dtype, ratio in (("float32", 2.0), ("float64", 8.0))
    ]
    text = printed(summary.print_summary, rows, ("c",))
    assert re.search(r"gru_before +forward +1 +1 +2\.00", text)
    assert re.search(r"gru_before +forward, float64 +1 +1 +8\.00", text)
