"""The suite `integrations`: pairs of candidates, what is left out and said, and every pair from end to end."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import Any

import pytest

import rnnfast
from rnnfast import cli

pytest.importorskip("rich", reason="the benchmark needs rich")
pytest.importorskip("matplotlib", reason="the benchmark needs matplotlib")

from consoles import printed

from rnnfast.benchmark import check, pairs, peers, report_pairs, session
from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import make_data
from rnnfast.benchmark.options import Options
from rnnfast.benchmark.planning import make_plan
from rnnfast.benchmark.results import Measurement
from rnnfast.benchmark.suites import SUITES
from rnnfast.examples.errors import UserError

SUITE = Options(suite="integrations")
HAS_C = pytest.mark.skipif(rnnfast.backends()["c"] is not None, reason="inside other libraries the C library runs")


@pytest.fixture
def all_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every package, so it seems."""
    for table in ("REQUIRES", "INSIDE", "NEEDS"):
        monkeypatch.setattr(peers, table, dict.fromkeys(getattr(peers, table), ("rnnfast",)))
    monkeypatch.setitem(pairs.PAIRS, "keras-torch", replace(pairs.PAIRS["keras-torch"], needs=("rnnfast",)))


def test_every_pair_has_cases_and_candidates() -> None:
    cases = list(SUITES["integrations"]())
    assert {case.part for case in cases} == pairs.PAIRS.keys() and len(cases) == len(set(cases))
    known = peers.REQUIRES | peers.INSIDE | peers.NEEDS
    assert all({pair.ours, pair.theirs} <= known.keys() for pair in pairs.PAIRS.values())


@HAS_C
def test_each_case_is_for_its_pair(all_there: None) -> None:
    plan = make_plan(SUITE)
    assert plan.cases == tuple(SUITES["integrations"]()) and not plan.absent
    assert plan.candidates(Case("gru", 16, 1, 64, part="jax")) == ["jax_function", "jax"]
    assert plan.candidates(Case("gru", 16, 1, 64)) == [*plan.backends, *plan.peers]
    assert plan.backends == ("onnx", "accelerated", "keras_accelerated", "jax_function", "thinc_ops")
    assert plan.peers == ("onnxruntime", "torch", "keras", "jax", "thinc")


@HAS_C
def test_what_is_missing_is_left_out_and_said(all_there: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(peers.NEEDS, "thinc", ("no_such_package",))
    monkeypatch.setitem(pairs.PAIRS, "keras-torch", replace(pairs.PAIRS["keras-torch"], needs=("no_such_torch",)))
    plan = make_plan(SUITE)
    reasons = {"keras-torch": "no_such_torch not installed", "thinc": "no_such_package not installed"}
    assert plan.absent == reasons and plan.cases and not {case.part for case in plan.cases} & reasons.keys()
    assert "thinc" not in plan.peers and "keras" in plan.peers
    assert "thinc: not timed, no_such_package not installed\n" in printed(report_pairs.print_absent, plan.absent)
    with pytest.raises(UserError, match="^thinc cannot be timed, no_such_package not installed$"):
        make_plan(replace(SUITE, parts=("thinc",)))


@pytest.mark.parametrize("option", [{"backends": ("c",)}, {"peers": ("jax",)}, {"base": "HEAD"}], ids=str)
def test_pairs_are_chosen_by_part(option: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="leave out --backends, --peers and --base, and choose among them by --parts"):
        make_plan(replace(SUITE, **option))


def test_results_that_a_call_does_not_give_are_not_asked_for() -> None:
    case = Case("lstm", 3, 2, 4, part="thinc")
    assert not any(state.any() for state in make_data(case).states)
    y = check.truth(case)["y"]
    assert check.fault(case, {"y": y.astype("f")}) is None
    assert "y is off" in str(check.fault(case, {"y": -y.astype("f")}))
    assert "expected c_n, h_n, y" in str(check.fault(replace(case, part="onnx"), {"y": y}))


def test_tables() -> None:
    one, two = Case("lstm", 16, 8, 128, part="jax"), Case("lstm", 16, 1, 64, part="thinc")
    samples = {"jax_function": [2e-3, 1e-3, 3e-3], "jax": [6e-3, 5e-3, 7e-3]}
    rows = [
        Measurement(one, "jax_function", samples=samples),
        Measurement(two, "thinc_ops", samples={"thinc": [1e-4] * 3}, wrong={"thinc_ops": "y is off"}),
    ]
    text = printed(report_pairs.print_pairs, rows, ("jax_function", "thinc_ops"))
    assert "jax, beside jax: µs" in text and "thinc, beside thinc: µs" in text
    assert re.search(r"lstm +forward +T 16 B 8 H 128 +1 +2000 \(1000\) +6000 \(5000\) +3\.00 +5\.00", text)
    assert re.search(r"T 16 B 1 H 64 +1 +WRONG +100 \(100\) *\n", text)


def test_a_worker_has_the_variables_of_its_pair() -> None:
    pair = pairs.PAIRS["keras-torch"]
    with session.started(1, variables=dict(pair.environment)) as submit:
        assert submit(os.getenv, "KERAS_BACKEND") == "torch"


@HAS_C
@pytest.mark.parametrize(
    "part", [pytest.param(part, marks=[pytest.mark.slow] * (part != "onnx")) for part in pairs.PAIRS]
)
def test_pairs_from_end_to_end(part: str, capsys: pytest.CaptureFixture[str]) -> None:
    pair = pairs.PAIRS[part]
    if reason := peers.reason(pair.ours) or peers.reason(pair.theirs) or peers.missing(pair.needs):
        pytest.skip(reason)
    sizes = ["--steps", "16", "--batch", "1", "--hidden", "64"]
    assert cli.main(["bench", "--suite", "integrations", "--parts", part, *sizes, "--seconds", "0.02"]) == 0
    text = capsys.readouterr().out
    assert f"{part}, beside {pair.theirs}: µs" in text and "not timed" not in text and "WRONG" not in text
    rows = [case for case in SUITES["integrations"]() if (case.part, case.steps, case.batch) == (part, 16, 1)]
    rows = [case for case in rows if case.hidden == 64]
    assert len(re.findall(r"T 16 B 1 H 64 +1 +\S+ \(\S+\) +\S+ \(\S+\) +\d", text)) == len(rows) > 0
