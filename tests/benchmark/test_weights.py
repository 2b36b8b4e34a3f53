"""Weights in bfloat16 and int8 in `rnnfast bench`: who is right with them, what is asked for, and what is printed."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import rnnfast
from rnnfast import cli

pytest.importorskip("rich", reason="the benchmark needs rich")
pytest.importorskip("matplotlib", reason="the benchmark needs matplotlib")

from consoles import printed

from rnnfast.benchmark import check, command, machine, peers, plots, report_weights, session, timing, worker
from rnnfast.benchmark.cases import WEIGHTS, Case
from rnnfast.benchmark.data import make_data
from rnnfast.benchmark.options import Options
from rnnfast.benchmark.peer_rnnfast import Backend
from rnnfast.benchmark.planning import make_plan
from rnnfast.benchmark.results import Measurement
from rnnfast.benchmark.roofline import Bytes, bytes_of
from rnnfast.benchmark.suites import SUITES
from rnnfast.examples.errors import UserError

OURS = "reference" if rnnfast.backends()["c"] else "c"
SMALL = Case("lstm", 6, 3, 17, inputs=5, weights="int8")
CACHES = {"L1": 32 << 10, "L2": 1 << 20}
TYPES = pytest.mark.parametrize("weights", WEIGHTS)


@pytest.fixture(autouse=True)
def clock_in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples of one call each; and the collection of garbage before them need not go through what all tests made."""
    monkeypatch.setattr(worker, "USUAL", timing.Pace(0, timing.MIN_ROUNDS))
    gc.freeze()


@TYPES
@pytest.mark.parametrize("work", ["forward", "step"])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("name", [OURS, *peers.NARROW])
def test_every_candidate_is_right(name: str, cell: Any, work: Any, weights: Any) -> None:
    if name != OURS and (why := peers.reason(name)):
        pytest.skip(why)
    case = replace(SMALL, cell=cell, work=work, steps=1 if work == "step" else 6, weights=weights)
    found = worker.measure(case, [name], name, 0, probe=False)
    assert not found.wrong
    if name == "onnxruntime" and (cell, weights) != ("lstm", "int8"):
        assert not found.samples and found.skipped[name].startswith(f"runs no {weights}: ")
        return
    assert found.samples.keys() == found.plain.keys() == {name} and not found.skipped
    assert bool(found.rounds) == (name != OURS), "three rows of ours have nothing else rounded"
    assert found.over_float32() is not None


@pytest.mark.skipif(OURS != "c", reason="processors' own products are in the C library")
@TYPES
def test_rounded_rows_are_allowed_more_and_said(weights: Any) -> None:
    case = replace(SMALL, batch=32, weights=weights)
    way = rnnfast.LSTM(5, 17, backend="c").freeze(weights=weights).ran_on(32).partition(": ")[2]
    prepared = Backend("c").prepare(case, make_data(case))
    assert (prepared.rounds, prepared.tolerance) == (way, 4e-3 if way else None)
    found = worker.measure(case, ["c"], "c", 0, probe=False)
    assert found.rounds == ({"c": way} if way else {}) and not found.wrong


@TYPES
def test_the_truth_has_the_rounded_weights(weights: Any) -> None:
    case = replace(SMALL, weights=weights)
    right = Backend("reference").prepare(case, make_data(case)).results()
    assert check.fault(case, right) is None
    wide = Backend("reference").prepare(replace(case, weights=""), make_data(case)).results()
    assert "allowed 1e-06" in str(check.fault(case, wide)), "weights that nobody rounded are found out"
    assert check.fault(case, wide, 5e-2) is None
    assert "allowed 0.004" in str(check.fault(case, {**wide, "y": wide["y"] * 1.02}, 4e-3))
    assert check.prefix_fault(case, right) is None and check.prefix_fault(case, wide) is not None


def test_a_candidate_whose_float32_is_wrong_gets_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Planted(Backend):
        def prepare(self, case: Case, data: Any) -> Any:
            right = super().prepare(case, data)
            return right if case.weights else replace(right, arrays=lambda _: {**right.results(), "y": data.x})

    monkeypatch.setattr(worker, "peer", Planted)
    found = worker.measure(SMALL, ["reference"], "reference", 0, probe=False)
    assert not found.samples and "y has shape" in found.wrong["reference"]


def test_a_graph_that_stays_in_float32_is_not_timed_as_int8() -> None:
    if why := peers.reason("onnxruntime"):
        pytest.skip(why)
    from rnnfast.benchmark import onnx_graph, peer_onnxruntime

    case = replace(SMALL, cell="gru", weights="")
    with pytest.raises(RuntimeError, match="made GRU, expected DynamicQuantizeLSTM"):
        peer_onnxruntime._quantised(onnx_graph.build(case, make_data(case)))


def test_pytorch_without_its_quantisation_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    from rnnfast.benchmark import peer_torch

    assert peer_torch.lacks(SMALL) is None
    monkeypatch.setattr(peer_torch.importlib.util, "find_spec", lambda name: None)
    assert "has no torch.ao.quantization" in str(peer_torch.lacks(SMALL))
    assert peer_torch.lacks(replace(SMALL, weights="bfloat16")) is None


def test_pytorch_s_rnn_stays_in_float32_and_is_not_timed_as_int8() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from rnnfast.benchmark import peer_torch

    found = worker.measure(replace(SMALL, cell="rnn"), ["torch"], "torch", 0, probe=False)
    assert found.skipped["torch"].startswith("runs no int8: its quantize_dynamic leaves an RNN") and not found.samples
    with pytest.raises(RuntimeError, match="left RNN in float32"):
        peer_torch._narrow(torch.nn.RNN(3, 4), "int8")
    step = worker.measure(replace(SMALL, cell="rnn_relu", work="step", steps=1), ["torch"], "torch", 0, probe=False)
    assert step.samples.keys() == {"torch"} and not step.wrong


def test_bytes_are_those_of_the_narrow_type() -> None:
    case = Case("gru", 2, 3, 4, inputs=5)
    for weights, size in (("", 4), ("bfloat16", 2), ("int8", 1)):
        once = size * 12 * 5 + 4 * 6 * (5 + 4)
        assert bytes_of(replace(case, weights=weights)) == Bytes(size * 48, times=2, once=once)  # type: ignore[arg-type]


def test_the_suite_is_asked_for_by_types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "caches", lambda: "L1 32K, L2 1M, L3 256M")
    monkeypatch.setattr(machine, "memory_bytes", lambda: 64 << 30)
    plan = make_plan(Options(weights=("int8",), peers=()))
    assert plan.backends == (OURS,)
    assert plan.cases == tuple(replace(case, weights="int8") for case in SUITES["weights"]())
    assert Case("lstm", 1, 1, 5888, "step", weights="int8") in plan.cases
    assert Case("gru", 16, 32, 1024, weights="int8") in plan.cases
    both = make_plan(Options(suite="weights"))
    assert [case.weights for case in both.cases] == [weights for weights in WEIGHTS for _ in plan.cases]
    assert set(both.peers) <= set(peers.NARROW)
    monkeypatch.setattr(machine, "memory_bytes", lambda: 8 << 30)  # 16 of the largest float32 nets fit
    assert max(case.hidden for case in SUITES["weights"]()) == 3840
    monkeypatch.setattr(machine, "caches", lambda: "")
    assert max(case.hidden for case in SUITES["weights"]()) == 2048


def test_the_grid_has_them_in_inference() -> None:
    sizes = Options(suite="grid", weights=("bfloat16",), steps=(3,), batch=(2,), hidden=(5,), cells=("gru",), peers=())
    assert make_plan(sizes).cases == (Case("gru", 3, 2, 5, weights="bfloat16"),)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"suite": "step"}, "--weights has a suite of its own.* leave out 'step'"),
        ({"dtype": ("float64",)}, "nets of float32 alone have rounded weights"),
        ({"peers": ("torch", "jax")}, "no weights in int8 are timed in jax: leave out"),
        ({"backends": ("frozen",)}, "no weights in int8 are timed in frozen: leave out"),
        ({"work": ("training",)}, "no case of the suite 'weights' passes these filters"),
    ],
)
def test_what_does_not_go_with_them(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_plan(Options(weights=("int8",), **options))


def made(case: Case, **times: tuple[float, float]) -> Measurement:
    """A measurement, of each candidate microseconds with and without rounded weights."""
    samples, plain = ({name: [pair[i] * 1e-6] * 3 for name, pair in times.items()} for i in range(2))
    return Measurement(case, "c", samples=samples, plain=plain)


def test_tables() -> None:
    step = Case("lstm", 1, 1, 256, "step", weights="int8")
    rows = [
        made(step, c=(10, 20), torch=(30, 25)),
        replace(made(replace(step, hidden=512, inputs=512), c=(10, 18)), wrong={"torch": "y is off"}),
        made(Case("gru", 16, 32, 512, weights="bfloat16"), c=(2000, 3000), torch=(1000, 500)),
    ]
    rows[0].rounds, rows[2].rounds = {"torch": "x as well"}, {"c": "x and h", "torch": "all"}
    text = printed(report_weights.print_weights, rows, ("c",), CACHES)
    assert "weights in int8: µs" in text and "weights in bfloat16: µs" in text
    assert re.search(r"threads +c float32 +c int8 +gain +torch \(float32\) +ratio", text)
    assert re.search(r"lstm +step +T 1 B 1 H 256 +1 +20 +10 +2\.00 +30 \(25\) +3\.00", text)
    assert re.search(r"T 1 B 1 H 512 +1 +18 +10 +1\.80 +WRONG *\n", text)
    assert re.search(r"gru +forward +T 16 B 32 H 512 +1 +3000 +2000 +1\.50 +1000 \(500\) +0\.50", text)
    assert re.search(r"bfloat16 +several +1 +1 +1\.50 +1\.50 +0\.50 +0\.50", text)
    assert re.search(r"int8 +one, float32 beyond the caches +1 +2 +1\.90 +1\.80 +3\.00 +3\.00", text)
    assert "torch, weights in int8: x as well: all cases\n" in text
    assert "c, weights in bfloat16: x and h: all cases\n" in text
    assert "c, weights in int8: in 2 cases nothing else is rounded\n" in text
    assert "c, weights in bfloat16: in" not in text
    assert printed(report_weights.print_weights, [], ("c",), CACHES) == ""


def test_some_cases_are_named() -> None:
    rows = [made(Case("gru", 4, batch, 64, weights="bfloat16"), c=(1, 2)) for batch in (1, 16, 32)]
    for row in rows[1:]:
        row.rounds["c"] = "x and h"
    assert list(report_weights.rounded(rows)) == [
        "c, weights in bfloat16: x and h: gru T 4 B 16 H 64; gru T 4 B 32 H 64",
        "c, weights in bfloat16: in 1 case nothing else is rounded",
    ]


def test_from_the_command_to_a_file_and_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(plan: session.Plan) -> Iterator[Measurement]:
        for case in plan.cases:
            names = plan.candidates(case)
            yield worker.measure(case, names, names[0], plan.seconds, probe=False)

    monkeypatch.setattr(command.session, "run", run)
    file = tmp_path / "run.json"
    sizes = ["--suite", "grid", "--cells", "gru", "--steps", "3", "--batch", "1", "--hidden", "8", "--backends", OURS]
    arguments = ["--weights", "bfloat16,int8", *sizes, "--peers", "none", "--seconds", "0.01", "--json", str(file)]
    assert cli.main(["bench", *arguments]) == 0
    text = capsys.readouterr().out
    for weights in WEIGHTS:
        assert f"weights in {weights}: µs" in text
    assert "roofline" not in text and "ratio to the best peer" not in text
    cases = json.loads(file.read_text())["cases"]
    assert [case["case"]["weights"] for case in cases] == list(WEIGHTS)
    assert all(case["over_float32"] > 0 for case in cases)
    assert cli.main(["bench", "--read", str(file)]) == 0
    again = capsys.readouterr().out
    first = f"weights in {WEIGHTS[0]}: µs"
    assert again[again.index(first) :] == text[text.index(first) : text.index("saved:")]


def test_pictures_of_types_have_names_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots.Figure, "savefig", lambda *_, **__: None)
    rows = [made(replace(SMALL, weights=weights), c=(1, 2), torch=(3, 4)) for weights in WEIGHTS]
    setting = {"processor": "A64", "instruction set": "scalar"}
    names = [path.name for path in plots.save_plots(tmp_path, rows, ("c",), setting)]
    assert names == [f"{kind}-a64-scalar-lstm-forward-float32-{w}-1.png" for w in WEIGHTS for kind in ("heat", "speed")]
