"""The rnnfast command: wrong usage, what is missing or set wrongly, Ctrl-C, and its report."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import SMALL, assert_one_line, python

import rnnfast
from rnnfast import cli

pytest.importorskip("rich", reason="the demo needs rich")
pytest.importorskip("matplotlib", reason="the demo needs matplotlib")
pytest.importorskip("threadpoolctl", reason="the demo needs threadpoolctl")


@pytest.mark.parametrize(
    "arguments",
    [
        ["bake"],
        ["demo", "--seconds", "-1"],
        ["demo", "--seconds", "nan"],
        ["demo", "--hidden", "0"],
        ["demo", "--layers", "1.5"],
        ["demo", "--temperature", "0"],
        ["demo", "--seed", "-1"],
        ["demo", "--seed", str(2**64)],
        ["demo", "--cell", "hopfield"],
        ["demo", "--compare", "caffe"],
        ["run", "model.nam", "in.wav"],
        ["show"],
        ["show", "model.pt", "--parts", "rnn=LSTM,rnn=GRU"],
        ["convert", "model.nam"],
        ["convert", "model.nam", "out.safetensors", "--dtype", "float16"],
    ],
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage: rnnfast" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ("demo", "rich"),
        ("demo", "matplotlib"),
        ("demo", "threadpoolctl"),
        ("bench", "rich"),
        ("bench", "matplotlib"),
    ],
)
def test_a_missing_extra_is_named(command: str, missing: str, tmp_path: Path) -> None:
    script = f"import sys; sys.modules[{missing!r}] = None; from rnnfast.cli import main; sys.exit(main([{command!r}]))"
    with python(tmp_path, "-c", script) as child:
        errors = child.communicate(timeout=60)[1]
    assert child.returncode == 1
    assert_one_line(errors, rf"{command} needs {missing}, .*pip install 'rnnfast\[{command}\]'")


def test_comparing_with_what_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert cli.main(["demo", "--compare", "torch", *SMALL]) == 1
    assert_one_line(capsys.readouterr().err, "--compare torch needs .* not installed: pip install torch")


def test_interrupt_before_training_ends_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(path: Path | None) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("rnnfast.examples.demo.read_text", interrupted)
    assert cli.main(["demo", *SMALL]) == 130
    assert_one_line(capsys.readouterr().err, "interrupted")


def test_a_wrong_number_of_threads_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if rnnfast.backends()["c"] is not None:
        pytest.skip("only the C backend has threads")
    monkeypatch.setenv("RNNFAST_NUM_THREADS", "x")
    with python(tmp_path, "-m", "rnnfast", "demo", "--seconds", "0") as child:
        _, errors = child.communicate(timeout=60)
    assert child.returncode == 1
    assert errors == "rnnfast: RNNFAST_NUM_THREADS is 'x', expected a whole number above 0\n"


def test_the_command_alone_lists_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    printed, errors = capsys.readouterr()
    for line in ("usage: rnnfast", "  info ", "  run ", "  show ", "  convert ", "  demo ", "  bench ", "  --version"):
        assert line in errors
    assert not printed


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"rnnfast {rnnfast.__version__}\n"


@pytest.mark.skipif(os.name != "posix", reason="pipes end otherwise here")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("argument", ["info", "--help", "--version"])
def test_nobody_reads_what_is_printed(argument: str, unbuffered: str, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "rnnfast", argument]
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(command, cwd=tmp_path, env=environment, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert not done.stderr
    assert done.returncode == 141 or (unbuffered and argument != "info" and done.returncode == 0)  # argparse is silent


def test_info(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNFAST_BACKEND", "reference")
    with python(tmp_path, "-m", "rnnfast", "info") as child:
        printed, errors = child.communicate(timeout=60)
    assert child.returncode == 0, errors
    assert printed.strip() == rnnfast.show_config().strip()


def test_info_on_a_backend_that_is_none(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RNNFAST_BACKEND", "fortran")
    assert cli.main(["info"]) == 1
    assert_one_line(capsys.readouterr().err, "RNNFAST_BACKEND .*'fortran'")
