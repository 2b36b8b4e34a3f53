"""`rnnfast bench`: what it prints and writes, a run from end to end, bad input and Ctrl-C."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sources import module_of, sources

import rnnfast
from rnnfast import cli

pytest.importorskip("rich", reason="the benchmark needs rich")
pytest.importorskip("matplotlib", reason="the benchmark needs matplotlib")

from consoles import printed

from rnnfast.benchmark import command, peers, plots, report, report_calls, revision, session, summary
from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.options import Options
from rnnfast.benchmark.planning import make_plan
from rnnfast.benchmark.results import Measurement
from rnnfast.benchmark.roofline import Rates

OURS = "reference" if rnnfast.backends()["c"] else "c"
TINY_RUN = ["--suite", "quick", "--cells", "rnn", "--steps", "16", "--batch", "1", "--hidden", "32"]
QUICKLY = ["--seconds", "0.02", "--peers", "none", "--backends", OURS]


def made(case: Case, *times: float, **more: Any) -> Measurement:
    """A measurement of ours, torch and jax, milliseconds."""
    samples = {name: [ms / 1e3] * 3 for name, ms in zip(("c", "torch", "jax"), times, strict=False)}
    return Measurement(case, "c", samples=samples, rates=Rates(100e9, 50e9, 20e9), **more)


def test_tables() -> None:
    one, two = Case("lstm", 16, 8, 128), Case("lstm", 128, 8, 256)
    rows = [made(one, 2, 5, 3), made(two, 40, 20, wrong={"jax": "y is off"}, skipped={"openvino": "runs no training"})]
    text = printed(report.print_tables, rows, ("c",)) + printed(report.print_notes, rows)
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


def test_table_of_calls() -> None:
    plain = Case("lstm", 16, 8, 8, "training", call="record, backward")
    without = {"c": [0.08e-3, 0.055e-3, 0.09e-3]}
    rows = [
        made(plain, 0.07, 2.5, 0.15, bare=[6e-8, 7e-8, 8e-8]),
        made(replace(plain, kind="resets"), 0.1, plain=without),
    ]
    rows[0].samples["c"][0] = 0.06e-3
    text = printed(report_calls.print_calls, rows, ("c",))
    assert "LSTM whole calls, float32, 1 thread: µs" in text
    assert re.search(r"record, backward +T 16 B 8 H 8 +70 \(60\) +2500 \(2500\) +150 \(150\) +2\.14", text)
    assert re.search(r"record, backward, resets= +T 16 B 8 H 8 +100 \(100\)", text)
    assert "through cffi: 0.070 µs (0.060)" in text
    assert "resets= adds to record, backward at T 16, B 8, fastest batches in turn: c +45.0 µs." in text


def test_what_a_call_costs_inside_another_library() -> None:
    plain = Case("lstm", 1, 1, 8, call="module(x)")
    beside = Case("gru", 1, 8, 32, "training", call="cell(x, state), backward", part="cells")
    rows = [made(case, 0.004) for case in (plain, beside)]
    for row in rows:
        row.samples["accelerated"] = [0.01e-3, 0.009e-3, 0.012e-3]
    text = printed(report_calls.print_calls, rows, ("accelerated", "c"))
    assert "LSTM whole calls, float32, 1 thread: µs" in text and "GRU whole calls" in text
    assert text.count("more in accelerated") == 1
    assert "module(x) costs 6.0 µs (5.0) more in accelerated than by itself, at T 1, B 1, H 8, 1 thread(s)." in text


def test_parts_of_a_suite_have_means_of_their_own() -> None:
    case = Case("gru", 16, 8, 256)
    rows = [made(case, 2, 4), made(replace(case, hidden=1024, part="large"), 2, 3)]
    totals = printed(summary.print_summary, rows, ("c",))
    assert re.search(r"gru +forward +1 +1 +2\.00 .*gru +forward, large +1 +1 +1\.50", totals, re.DOTALL)


def test_bench_of_calls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    json_file = tmp_path / "run.json"
    few = ["--suite", "overhead", "--work", "forward", "--json", str(json_file)]
    assert cli.main(["bench", *few, *QUICKLY]) == 0
    text = capsys.readouterr().out
    assert "frozen(x, lengths=)" in text and "roofline" not in text and "geometric mean" not in text
    cases = json.loads(json_file.read_text())["cases"]
    assert [case["case"]["call"] for case in cases][:2] == ["frozen(x)", "frozen(x, state)"]
    assert all(case["minima"][OURS] == min(case["samples"][OURS]) > 0 for case in cases)
    assert all(bool(case["bare"]) == (OURS == "c") for case in cases)
    assert [bool(case["plain"]) for case in cases] == [case["case"]["kind"] != "dense" for case in cases]


def test_pictures(tmp_path: Path) -> None:
    cases = [Case("lstm", steps, batch, hidden) for steps in (1, 16) for batch in (1, 8) for hidden in (32, 128)]
    rows = [made(case, 2, 3, 4) for case in cases] + [made(replace(cases[0], kind="ragged"), 1)]
    setting = {"processor": "A64", "instruction set": "scalar"}
    paths = plots.save_plots(tmp_path / "new", rows, ("c",), setting)
    assert {path.name for path in paths} == {
        f"{kind}-a64-scalar-lstm-forward-float32-1.png" for kind in ("heat", "speed")
    }
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


@pytest.mark.parametrize("header", ["csrc/include/rnnfast.h", "csrc/rnnfast.h"])
def test_a_clone_is_known_wherever_its_header_lies(
    header: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "empty"], check=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(revision.UserError, match="in none: run it in one"):
        revision.commit_of("HEAD")
    (tmp_path / header).parent.mkdir(parents=True)
    (tmp_path / header).touch()
    assert re.fullmatch("[0-9a-f]{4,40}", revision.commit_of("HEAD"))


def test_what_runs_in_another_revision_needs_little_of_it() -> None:
    waiting, seen, needed = ["rnnfast.benchmark.worker", "rnnfast.benchmark.options"], set[str](), set[str]()
    while waiting:
        seen.add(name := waiting.pop())
        for node in sources()[name].tree.body:
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                targets = {module_of(f"{node.module}.{alias.name}") for alias in node.names} - {None}
                own = {t for t in targets if t is not None and t.startswith("rnnfast.benchmark.")}
                waiting += own - seen
                needed |= {str(target) for target in targets - own}
            elif isinstance(node, ast.Import):
                needed |= {alias.name for alias in node.names if alias.name.startswith("rnnfast.")}
    assert "rnnfast.benchmark.peer_rnnfast" in seen
    assert needed == {"rnnfast.problem"}, "in this place since the first revision"


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
        (["--backends", "fortran"], "--backends fortran: names no backend: 'fortran'"),
        (["--suite", "step", "--steps", "17"], "no case of the suite 'step' passes these filters, it has .*T 1; B 1;"),
        (["--json", "missing/run.json"], "cannot write missing/run.json: No such file"),
        (["--plot", "file"], "cannot write file: File exists"),
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
    monkeypatch.setattr(command.session, "run", None)  # it is found out before anything is measured
    Path("file").touch()
    assert cli.main(["bench", "--peers", "none", *arguments]) == 1
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1 and re.search(f"^rnnfast: .*{message}", errors)


def test_a_peer_asked_for_must_be_there(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(peers, "REQUIRES", peers.REQUIRES | {"jax": ("no_such_package",)})
    assert cli.main(["bench", "--peers", "jax", *TINY_RUN]) == 1
    assert "--peers: no_such_package not installed: install or leave out jax" in capsys.readouterr().err
    made = make_plan(Options(suite="quick"))
    assert "jax" not in made.peers


@pytest.mark.skipif(OURS != "c", reason="inside PyTorch the C library runs")
def test_the_suite_of_torch_is_beside_torch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "INSIDE", dict.fromkeys(peers.INSIDE, ("rnnfast",)))
    monkeypatch.setattr(peers, "REQUIRES", dict.fromkeys(peers.REQUIRES, ("rnnfast",)))
    made = make_plan(Options(suite="torch"))
    assert made.peers == ("torch",)
    assert made.backends == ("accelerated", "frozen", OURS)
    monkeypatch.setattr(peers, "INSIDE", {"accelerated": ("no_such_package",)})
    with pytest.raises(revision.UserError, match="accelerated cannot run, no_such_package not installed"):
        make_plan(Options(suite="torch"))


def test_the_grid_has_any_size() -> None:
    made = make_plan(Options(steps=(3,), batch=(2, 7), hidden=(5,), cells=("gru",), work=("forward",)))
    assert made.cases == (Case("gru", 3, 2, 5), Case("gru", 3, 7, 5))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--quick", "--suite", "step"],
        ["--suite", "none"],
        ["--peers", "caffe"],
        ["--threads", "0"],
        ["--cells", "lstm,elman"],
        ["--steps", "1;2"],
    ],
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["bench", *arguments])
    assert caught.value.code == 2
    assert "usage: rnnfast bench" in capsys.readouterr().err
