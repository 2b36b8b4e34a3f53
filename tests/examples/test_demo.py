"""The demo: real learning, a model saved and loaded, Ctrl-C, and what it cannot use."""

from __future__ import annotations

import itertools
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from commands import SMALL, assert_one_line, python

import rnnfast
from rnnfast import cli
from rnnfast.examples.char_model import CharModel
from rnnfast.examples.text_source import read_text, split, unigram_bits

pytest.importorskip("rich", reason="the demo needs rich")
pytest.importorskip("matplotlib", reason="the demo needs matplotlib")
pytest.importorskip("threadpoolctl", reason="the demo needs threadpoolctl")


@pytest.fixture(scope="module")
def trained(text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder that a short run of the demo filled, and what it printed: the next one, on a busy machine."""
    folder = tmp_path_factory.mktemp("trained") / "new" / "folder"
    for attempt in range(6):
        arguments = ["demo", "--seconds", str(2 << attempt), "--text", str(text_file), "--output", str(folder), *SMALL]
        with python(text_file.parent, "-m", "rnnfast", *arguments) as child:
            printed, errors = child.communicate(timeout=200)
        assert child.returncode == 0, errors
        if learned(printed):
            break
    return folder, printed


def learned(printed: str) -> bool:
    bits, unigram = numbers(printed)
    return bits < 0.85 * unigram


def numbers(printed: str) -> tuple[float, float]:
    """Held-out bits per character of the model and of the unigram baseline."""
    match = re.search(r"held out: ([\d.]+) bits per character, unigram baseline ([\d.]+)", printed)
    assert match, printed
    return float(match[1]), float(match[2])


def test_demo_learns(trained: tuple[Path, str], text_file: Path) -> None:
    folder, printed = trained
    assert learned(printed)
    bits, unigram = numbers(printed)
    assert "the backend is the NumPy reference itself" in printed
    assert printed.count("| ") >= 2
    assert (folder / "loss.png").read_bytes().startswith(b"\x89PNG")
    model = CharModel.load(folder / "model.npz", backend="reference")
    codes = model.alphabet.encode(read_text(text_file))
    training, held_out = split(codes)
    assert model.bits_per_character(held_out) == pytest.approx(bits, abs=0.006)
    assert unigram_bits(training, held_out[1:], len(model.alphabet)) == pytest.approx(unigram, abs=0.006)


def test_load_goes_on_and_zero_seconds_only_looks(
    trained: tuple[Path, str], text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = str(trained[0] / "model.npz")
    arguments = ["demo", "--text", str(text_file), "--output", str(tmp_path), "--backend", "reference", "--load", saved]
    assert cli.main([*arguments, "--seconds", "0"]) == 0
    assert numbers(capsys.readouterr().out) == numbers(trained[1])
    assert list(tmp_path.iterdir()) == []
    assert cli.main([*arguments, "--seconds", "0.1"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"model.npz", "loss.png"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send Ctrl-C to one child process")
def test_interrupt_keeps_what_was_learned(text_file: Path, tmp_path: Path) -> None:
    arguments = ["demo", "--seconds", "600", "--text", str(text_file), "--output", str(tmp_path), *SMALL]
    with python(tmp_path, "-m", "rnnfast", *arguments) as child:
        assert child.stdout is not None
        printed = "".join(itertools.takewhile(lambda line: not line.startswith("training for"), child.stdout))
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(1.5)
        child.send_signal(signal.SIGINT)
        rest, errors = child.communicate(timeout=30)
    assert child.returncode == 0, errors
    assert "before training" in printed
    assert "stopped after" in rest
    assert "sample after training" in rest
    bits, unigram = numbers(rest)
    assert bits < unigram
    assert (tmp_path / "model.npz").exists()
    assert (tmp_path / "loss.png").exists()


def test_chosen_backend_is_compared(text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if reason := rnnfast.backends()["c"]:
        pytest.skip(reason)
    arguments = ["--text", str(text_file), "--output", str(tmp_path), "--backend", "c", "--hidden", "16"]
    assert cli.main(["demo", "--seconds", "0.2", *arguments]) == 0
    assert re.search(r"[\d.]+ ms, NumPy reference [\d.]+ ms: [\d.]+ times faster", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read .*No such file"),
        (b"", "has 0 characters, expected at least 2000"),
        (b"too short", "has 9 characters"),
        (b"a" * 5000 + b"\xff", r"is not UTF-8 text \(byte 5000\)"),
    ],
)
def test_a_text_that_cannot_be_used(
    content: bytes | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    assert cli.main(["demo", "--text", str(path), "--output", str(tmp_path / "out"), *SMALL]) == 1
    assert_one_line(capsys.readouterr().err, message)
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_done_is_one_line(
    text_file: Path, trained: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.txt"
    other.write_text("Ω" * 3000, encoding="utf-8")
    backend = ["--backend", "reference"]
    saved, output = str(trained[0] / "model.npz"), ["--output", str(tmp_path / "out"), "--seconds", "0"]
    for arguments, status, message in (
        (["--backend", "fortran"], 1, "no backend: 'fortran', expected one of"),
        (["--load", str(tmp_path / "none.npz"), *backend], 1, "cannot read .*No such file"),
        (["--load", str(text_file), *backend], 1, "is not a model that the demo saved"),
        (
            ["--load", saved, "--text", str(other), *backend],
            1,
            "1 characters that the model does not know, such as 'Ω'",
        ),
        (["--load", saved, "--hidden", "8"], 2, "leave --cell, --hidden and --layers out"),
        (["--text", str(text_file), "--output", str(text_file), *SMALL], 1, "cannot make the folder"),
        (["--hidden", "1000000000", *backend], 1, "does not fit into memory: choose a smaller --hidden"),
    ):
        assert cli.main(["demo", *output, *arguments]) == status
        assert_one_line(capsys.readouterr().err, message)
