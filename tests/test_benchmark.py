"""`rnnfast bench`: its cases, its check of results, its times and rooflines, what it prints and writes."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast
from rnnfast import cli

pytest.importorskip("rich", reason="the benchmark needs rich")
pytest.importorskip("matplotlib", reason="the benchmark needs matplotlib")

from rich.console import Console

from rnnfast.benchmark import check, command, peers, plots, report, revision, session, summary, timing, worker
from rnnfast.benchmark.cases import Case, Filter
from rnnfast.benchmark.data import make_data
from rnnfast.benchmark.peer_rnnfast import Backend
from rnnfast.benchmark.peers import Prepared
from rnnfast.benchmark.results import Measurement
from rnnfast.benchmark.roofline import Bytes, Probes, Rates, bytes_of, least_seconds
from rnnfast.benchmark.suites import SUITES

OURS = "reference" if rnnfast.backends()["c"] else "c"
SMALL = Case("lstm", 3, 2, 5)
TINY_RUN = ["--suite", "quick", "--cells", "rnn", "--steps", "16", "--batch", "1", "--hidden", "32"]
QUICKLY = ["--seconds", "0.02", "--peers", "none", "--backends", OURS]


def test_flops_and_bytes_by_hand() -> None:
    case = Case("lstm", steps=2, batch=3, hidden=4, inputs=5)
    assert case.flops == 2 * (4 * 4) * (5 + 4) * (2 * 3)
    assert bytes_of(case) == Bytes(recurrent=4 * 64, times=2, once=4 * (16 * 5 + 6 * (5 + 4)))
    training = replace(case, work="training", dtype="float64")
    assert training.flops == 3 * case.flops
    x_y_dx_dy, gates_and_c = 6 * (2 * (5 + 4) + 5 + 4), 2 * 6 * 5 * 4
    once = 8 * (2 * 16 * 5 + x_y_dx_dy + gates_and_c + 16 * 5 + 16 * 4)
    assert bytes_of(training) == Bytes(recurrent=8 * 64, times=4, once=once)


def test_roofline_is_the_longer_of_computing_and_reading() -> None:
    case = Case("gru", 10, 1, 64)
    moved = bytes_of(case)
    assert least_seconds(case, Rates(1e9, 1e15, 1e15)) == pytest.approx(case.flops / 1e9)
    slow = Rates(1e15, 1e9, 2e9)
    assert least_seconds(case, slow) == pytest.approx(moved.recurrent * 10 / 1e9 + moved.once / 2e9)
    assert least_seconds(case, Rates(1e9)) == pytest.approx(case.flops / 1e9)


@pytest.mark.parametrize("threads", [1, 2])
def test_probes_give_rates(threads: int) -> None:
    probes = Probes(replace(SMALL, threads=threads))
    for work in probes.work.values():
        work()
    rates = probes.rates(dict.fromkeys(probes.work, 1.0))
    assert rates.peak > 1e6
    assert (rates.recurrent is None) == (rnnfast.backends()["c"] is not None)


def test_grid() -> None:
    cases = list(SUITES["grid"]())
    assert len(cases) == len(set(cases)) == 3 * 2 * 4 * 4 * 5
    assert Case("gru", 1024, 64, 128, "training") in cases
    kept = list(filter(Filter(max_gflop=30), cases))
    assert Case("lstm", 1024, 64, 1024) not in kept
    assert max(case.forward_flops for case in kept) <= 30e9
    assert set(SUITES["quick"]()) < set(cases) | {replace(case, hidden=32) for case in cases}


def test_deepbench_has_all_its_shapes() -> None:
    cases = list(SUITES["deepbench"]())
    training = [case for case in cases if case.work == "training"]
    assert (len(training), len(cases) - len(training)) == (53, 69 + 2)
    assert Case("gru", 1500, 32, 2816, "training") in cases and Case("rnn_relu", 672, 1, 32) in cases
    assert len(set(cases)) == len(cases)


@pytest.mark.parametrize("suite", SUITES)
def test_filters(suite: str) -> None:
    cases = [case for case in SUITES[suite]() if Filter(cells=("lstm",), works=("training",), batches=(32,))(case)]
    assert all((case.cell, case.work, case.batch) == ("lstm", "training", 32) for case in cases)
    assert bool(cases) == (suite != "step")


def test_ragged_lengths_are_unsorted_and_within_bounds() -> None:
    data = make_data(Case("rnn", 50, 32, 4, kind="ragged"))
    assert data.lengths is not None
    assert data.lengths.min() >= 1 and data.lengths.max() <= 50
    assert (np.diff(data.lengths) > 0).any() and (np.diff(data.lengths) < 0).any()
    assert data.fill == data.lengths.sum() / (50 * 32)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_subnormal_states_stay_subnormal(cell: Any) -> None:
    case = Case(cell, 100, 2, 64, kind="subnormal")
    limits = np.finfo("float32")
    for name, found in (check.truth(case) | check.truth(replace(case, work="training"))).items():
        if name in ("y", "h_n", "c_n", "x", "h0", "c0"):
            size = np.abs(found[[0, -1]]).mean()
            assert 100 * limits.smallest_subnormal < size < 0.5 * limits.tiny, name


@pytest.mark.parametrize("kind", ["dense", "ragged", "subnormal"])
@pytest.mark.parametrize("work", ["forward", "training", "step"])
@pytest.mark.parametrize("cell", ["rnn", "rnn_relu", "lstm", "gru"])
@pytest.mark.parametrize("name", ["c", *peers.REQUIRES])
def test_every_candidate_is_right(name: str, cell: Any, work: Any, kind: Any) -> None:
    if why := rnnfast.backends()["c"] if name == "c" else peers.reason(name):
        pytest.skip(why)
    steps = 1 if work == "step" else 6
    found = worker.measure(Case(cell, steps, 3, 17, work, inputs=5, kind=kind), [name], name, 0, probe=False)
    assert not found.wrong
    assert found.samples.keys() | found.skipped.keys() == {name}
    assert "Error" not in found.skipped.get(name, "")


class Planted:
    """The reference with one result changed."""

    def __init__(self, change: str) -> None:
        self.change = change

    def lacks(self, case: Case) -> str | None:
        return None

    def prepare(self, case: Case, data: Any) -> Prepared:
        right = Backend("reference").prepare(case, data)

        def arrays(result: Any) -> dict[str, Any]:
            found = right.arrays(result)
            found[self.change] = found[self.change] * 1.001
            return found

        return Prepared(right.work, arrays)


@pytest.mark.parametrize("change", ["y", "x", "c0", "weight_hh_l0", "bias_ih_l0"])
def test_a_wrong_result_gets_no_time(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "peer", lambda name: Planted(change) if name == "wrong" else peers.peer(name))
    found = worker.measure(replace(SMALL, work="training"), ["reference", "wrong"], "reference", 0, probe=False)
    assert found.samples.keys() == {"reference"}
    assert re.search(rf"^{change} is off by 0\.001 of its norm", found.wrong["wrong"])


def test_a_long_case_is_checked_on_its_first_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("lstm", 40, 2, 5)
    monkeypatch.setattr(check, "MAX_FLOPS", case.flops / 4)
    assert check.checked_case(case) == replace(case, steps=10)
    assert not worker.measure(case, ["reference"], "reference", 0, probe=False).wrong
    results = dict(check.truth(replace(case, steps=40)))
    assert check.prefix_fault(case, results) is None
    results["y"] = results["y"] * 1.001
    assert "y is off" in (check.prefix_fault(case, results) or "")
    results["h_n"] = results["h_n"] * np.nan
    assert check.prefix_fault(case, results) == "h_n is not finite"


def test_what_cannot_run_is_noted_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def lacks(self, case: Case) -> str | None:
            return "has no LSTM" if case.cell == "lstm" else None

        def prepare(self, case: Case, data: Any) -> Prepared:
            raise OSError("out of luck")

    monkeypatch.setattr(worker, "peer", lambda name: peers.peer(name) if name == "reference" else Broken())
    names = ["reference", "torch", "c"]
    found = worker.measure(SMALL, names, "reference", 0, probe=False)
    assert found.samples.keys() == {"reference"} and found.skipped == {"torch": "has no LSTM", "c": "has no LSTM"}
    found = worker.measure(replace(SMALL, cell="gru"), names, "reference", 0, probe=False)
    assert found.skipped == {"torch": "OSError: out of luck"}
    assert found.wrong == {"c": "OSError: out of luck"}, "our own backends may not fail"


def test_samples_are_taken_in_turn() -> None:
    calls: list[str] = []
    work = {name: timing.Sampler(lambda name=name: calls.append(name)) for name in "ab"}
    calls.clear()
    samples = timing.take_turns(work, seconds=0)
    assert {name: len(times) for name, times in samples.items()} == {"a": timing.MIN_ROUNDS, "b": timing.MIN_ROUNDS}
    assert all(0 < seconds < 1 for times in samples.values() for seconds in times)
    changes = sum(one != other for one, other in zip(calls, calls[1:], strict=False))
    assert timing.MIN_ROUNDS <= changes < 2 * timing.MIN_ROUNDS


def made(case: Case, *times: float, **more: Any) -> Measurement:
    """A measurement of ours, torch and jax, milliseconds."""
    samples = {name: [ms / 1e3] * 3 for name, ms in zip(("c", "torch", "jax"), times, strict=False)}
    return Measurement(case, "c", samples=samples, rates=Rates(100e9, 50e9, 20e9), **more)


def printed(show: Any, *arguments: Any) -> str:
    console = Console(file=io.StringIO(), width=140)
    show(console, *arguments)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_tables() -> None:
    one, two = Case("lstm", 16, 8, 128), Case("lstm", 128, 8, 256)
    rows = [made(one, 2, 5, 3), made(two, 40, 20, wrong={"jax": "y is off"}, skipped={"openvino": "runs no training"})]
    text = printed(report.print_tables, rows, ("c",))
    assert "LSTM forward, float32, 1 thread: ms" in text
    assert re.search(r"T +B +H +c +torch +jax +ratio +roofline +peak", text)
    assert re.search(rf"16 +8 +128 +2 +5 +3 +1\.50 +\d+% +{one.flops / 2e-3 / 100e9:.0%}", text)
    assert re.search(r"128 +8 +256 +40 +20 +WRONG +0\.50", text)
    assert "WRONG: jax on LSTM forward, float32, 1 thread: T 128 B 8 H 256: y is off" in text
    assert "openvino, forward: not timed, runs no training" in text
    totals = printed(summary.print_summary, rows, ("c",))
    assert re.search(r"lstm +forward +1 +2 +0\.87 +0\.50 \(T 128 B 8 H 256", totals)


def test_summary_of_threads_and_of_odd_inputs() -> None:
    case = Case("gru", 16, 32, 256)
    rows = [made(case, 10), made(replace(case, threads=2), 5), made(replace(case, kind="ragged"), 6, fill=0.5)]
    totals = printed(summary.print_summary, rows, ("c",))
    assert re.search(r"than on one thread.*gru +forward +2 +1 +2\.00", totals, re.DOTALL)
    assert re.search(r"H 256 ragged +0\.50 +c 1\.20", totals)


def test_pictures(tmp_path: Path) -> None:
    cases = [Case("lstm", steps, batch, hidden) for steps in (1, 16) for batch in (1, 8) for hidden in (32, 128)]
    rows = [made(case, 2, 3, 4) for case in cases] + [made(replace(cases[0], kind="ragged"), 1)]
    paths = plots.save_plots(tmp_path / "new", rows, ("c",))
    assert {path.name for path in paths} == {"heat-lstm-forward-float32-1.png", "speed-lstm-forward-float32-1.png"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


def test_bench_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    json_file, folder = tmp_path / "run.json", tmp_path / "plots"
    assert cli.main(["bench", *TINY_RUN, *QUICKLY, "--json", str(json_file), "--plot", str(folder)]) == 0
    text = capsys.readouterr().out
    assert "RNN forward, float32, 1 thread: ms" in text and "RNN training, float32, 1 thread: ms" in text
    assert "processor " in text and "instruction set " in text and "caches " in text
    content = json.loads(json_file.read_text())
    assert content["suite"] == "quick" and content["backends"] == [OURS]
    forward, training = content["cases"]
    assert forward["case"]["steps"] == 16 and training["flops"] == 3 * forward["flops"] == 3 * 2 * 32 * 64 * 16
    assert forward["seconds"][OURS] == np.median(forward["samples"][OURS]) > 0
    assert 0 < forward["peak"] <= forward["roofline"] * (1 + 1e-9)
    assert len(list(folder.glob("*.png"))) == 4


def test_bench_against_another_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base = tmp_path / "base"
    shutil.copytree(Path(rnnfast.__file__).parent, base / "rnnfast", ignore=shutil.ignore_patterns("benchmark"))
    revision._share(base / "rnnfast")
    plan = session.Plan((Case("rnn", 16, 1, 32),), (1,), (OURS,), (), 0.02)
    try:
        (found,) = revision.run_against(plan, base, "base 1234567")
    except revision.UserError as error:
        assert "install rnnfast without -e" in str(error)
        pytest.skip("an editable install comes before any folder")
    assert found.samples.keys() == {OURS, "base 1234567"}
    assert found.ratio((OURS,)) == found.best_peer((OURS,))[1] / found.seconds(OURS)
    assert not found.wrong and not found.skipped


def test_a_wrong_result_is_the_commands_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(plan: session.Plan) -> Iterator[Measurement]:
        yield Measurement(plan.cases[0], OURS, wrong={OURS: "y is off by 0.1 of its norm"})

    monkeypatch.setattr(command.session, "run", run)
    assert cli.main(["bench", *TINY_RUN, *QUICKLY]) == 1
    text = capsys.readouterr().out
    assert "WRONG" in text and "1 wrong results" in text


def test_interrupted_it_shows_what_it_has(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run(plan: session.Plan) -> Iterator[Measurement]:
        yield made(plan.cases[0], 7)
        raise KeyboardInterrupt

    monkeypatch.setattr(command.session, "run", run)
    assert cli.main(["bench", *TINY_RUN, *QUICKLY]) == cli.INTERRUPTED
    assert re.search(r"16 +1 +32 +7 ", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threads", "100000"], "--threads 100000 is more than the"),
        (["--backends", "fortran"], "--backends: .*no backend: 'fortran'"),
        (["--steps", "17"], "no case of the suite 'grid' passes these filters"),
        (["--base", "HEAD"], "--base builds a revision of a clone of rnnfast"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["bench", "--peers", "none", *arguments]) == 1
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1 and re.search(f"^rnnfast: .*{message}", errors)


@pytest.mark.parametrize(
    "arguments",
    [["--suite", "none"], ["--peers", "caffe"], ["--threads", "0"], ["--cells", "lstm,elman"], ["--steps", "1;2"]],
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["bench", *arguments])
    assert caught.value.code == 2
    assert "usage: rnnfast bench" in capsys.readouterr().err
