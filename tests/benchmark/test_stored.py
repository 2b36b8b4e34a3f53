"""A run in a file: read back it prints the same, pictures bear the processor's name, and other files are refused."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from rnnfast import cli

pytest.importorskip("rich", reason="the benchmark needs rich")
pytest.importorskip("matplotlib", reason="the benchmark needs matplotlib")

from consoles import printed

from rnnfast.benchmark import command, machine, plots, stored
from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.results import Measurement
from rnnfast.benchmark.roofline import Rates

SETTING = {
    "processor": "AMD EPYC (family 25, model 17)",
    "caches": "L1 32K, L2 1024K",
    "instruction set": "avx512 (the best that this processor runs)",
}
ROW = Measurement(
    Case("gru_before", 16, 8, 32, dtype="float64"),
    "c",
    samples={"c": [2e-3, 1e-3, 3e-3], "jax": [1e-3] * 3},
    skipped={"torch": "its GRU has the reset gate after the product"},
    rates=Rates(100e9, 50e9, 20e9),
    call=5e-6,
)
OTHER = Measurement(replace(ROW.case, call="frozen(x)"), "c", wrong={"c": "y is off"}, bare=[1e-7], plain={"c": [1e-6]})
RUN = stored.Run(SETTING, "grid", ("c",), {"thinc": "thinc not installed"}, [ROW, OTHER])


def test_a_run_is_read_as_it_was_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, folder = tmp_path / "run.json", tmp_path / "plots"
    stored.write(path, RUN)
    assert stored.read(path) == RUN
    assert cli.main(["bench", "--read", str(path), "--plot", str(folder)]) == 1, "one result was wrong"
    text = capsys.readouterr().out
    assert f"processor        {SETTING['processor']}\n" in text
    assert printed(lambda console: command._report(RUN, console)) in text
    assert "beside jax. Limit: FMA peak 1% (100 GFLOP/s)" in text and "thinc: not timed" in text
    saved = {
        f"{kind}-amd-epyc-family-25-model-17-avx512-gru_before-forward-float64-1.png" for kind in ("heat", "speed")
    }
    assert {file.name for file in folder.iterdir()} == saved == set(re.findall(r"saved: .*/(\S+)\n", text))


def test_pictures_name_the_processor_and_what_it_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []
    monkeypatch.setattr(plots.Figure, "savefig", lambda figure, *_, **__: titles.append(figure.get_suptitle()))
    rows = [replace(ROW, ours=ours, samples={ours: [1e-3]}) for ours in ("c", "c:avx2")]
    setting = SETTING | {"processor": "Intel(R) Xeon(TM) CPU @ 2.7GHz"}
    for row in rows:
        (path, _) = plots.save_plots(tmp_path, [row], (row.ours,), setting)
        isa = row.ours.partition(":")[2] or "avx512"
        assert path.name == f"heat-intel-xeon-cpu-2-7ghz-{isa}-gru_before-forward-float64-1.png"
        assert set(titles[-2:]) == {f"{setting['processor']}, {isa}\n{row.case.setting}"}


def test_the_processor_has_a_name() -> None:
    setting = machine.describe([], (1,))
    assert setting["processor"] and machine.label(setting, "c").startswith(setting["processor"] + ", ")


@pytest.mark.parametrize("content", [None, "no JSON", "[]", "{}", '{"cases": [1], "backends": []}', '{"cases": 1}'])
def test_another_file_is_one_line(content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert cli.main(["bench", "--read", str(path)]) == 1
    expected = f"cannot read {path}: No such file" if content is None else f"{path} is not what --json writes in this"
    errors = capsys.readouterr().err
    assert errors.startswith(f"rnnfast: {expected}") and errors.count("\n") == 1


def test_options_of_timing_are_not_for_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "--read", "run.json", "--seconds", "1"]) == 1
    assert "leave out all options but --plot" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["bench", "--read", "run.json", "--suite", "step"])
    assert "not allowed with argument --read" in capsys.readouterr().err
