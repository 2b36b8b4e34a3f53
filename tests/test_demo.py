"""The command line and its demo: real learning, bad input, Ctrl-C, and the character model behind it."""

from __future__ import annotations

import copy
import itertools
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rnnfast
from rnnfast import cli
from rnnfast.examples.char_text import CharModel
from rnnfast.examples.text_source import Alphabet, chunks, python_topics, read_text, split, unigram_bits
from rnnfast.examples.training import Trainer

pytest.importorskip("rich", reason="the demo needs rich")
pytest.importorskip("matplotlib", reason="the demo needs matplotlib")
pytest.importorskip("threadpoolctl", reason="the demo needs threadpoolctl")

SMALL = ["--hidden", "32", "--backend", "reference"]


@pytest.fixture(scope="module")
def text_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sentences of random words: letters within a word can be learned, which word comes next cannot."""
    rng = np.random.default_rng(3)
    words = ["harbour", "lantern", "quietly", "seven", "bridge", "café", "orchard", "windows"]
    path = tmp_path_factory.mktemp("text") / "words.txt"
    path.write_text(" ".join(rng.choice(words, 4000)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder that a short run of the demo filled, and what it printed."""
    folder = tmp_path_factory.mktemp("trained") / "new" / "folder"
    arguments = ["demo", "--seconds", "4", "--text", str(text_file), "--output", str(folder), *SMALL]
    with python(text_file.parent, "-m", "rnnfast", *arguments) as child:
        printed, errors = child.communicate(timeout=60)
    assert child.returncode == 0, errors
    return folder, printed


def python(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A Python of its own, started in a folder where no source tree is in the way of what was installed."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONIOENCODING": "utf-8", "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def numbers(printed: str) -> tuple[float, float]:
    """Held-out bits per character of the model and of the unigram baseline."""
    match = re.search(r"held out: ([\d.]+) bits per character, unigram baseline ([\d.]+)", printed)
    assert match, printed
    return float(match[1]), float(match[2])


def test_demo_learns(trained: tuple[Path, str], text_file: Path) -> None:
    folder, printed = trained
    bits, unigram = numbers(printed)
    assert bits < 0.85 * unigram
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


def assert_one_line(printed: str, message: str) -> None:
    assert printed.startswith("rnnfast: ")
    assert printed.count("\n") == 1
    assert re.search(message, printed)


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


def test_interrupt_before_training_ends_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(path: Path | None) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("rnnfast.examples.demo.read_text", interrupted)
    assert cli.main(["demo", *SMALL]) == 130
    assert_one_line(capsys.readouterr().err, "interrupted")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
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
    ],
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage: rnnfast" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["rich", "matplotlib", "threadpoolctl"])
def test_a_missing_extra_is_named(missing: str, tmp_path: Path) -> None:
    script = f"import sys; sys.modules[{missing!r}] = None; from rnnfast.cli import main; sys.exit(main(['demo']))"
    with python(tmp_path, "-c", script) as child:
        errors = child.communicate(timeout=60)[1]
    assert child.returncode == 1
    assert_one_line(errors, rf"needs {missing}, .*pip install 'rnnfast\[demo\]'")


@pytest.mark.parametrize("missing", ["rich", "matplotlib"])
def test_a_missing_extra_of_bench_is_named(missing: str, tmp_path: Path) -> None:
    script = f"import sys; sys.modules[{missing!r}] = None; from rnnfast.cli import main; sys.exit(main(['bench']))"
    with python(tmp_path, "-c", script) as child:
        errors = child.communicate(timeout=60)[1]
    assert child.returncode == 1
    assert_one_line(errors, rf"bench needs {missing}, .*pip install 'rnnfast\[bench\]'")


def test_comparing_with_what_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert cli.main(["demo", "--compare", "torch", *SMALL]) == 1
    assert_one_line(capsys.readouterr().err, "--compare torch needs .* not installed: pip install torch")


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_the_same_net_in_pytorch_learns_the_same(cell: str, text_file: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    from rnnfast.examples.torch_model import TorchTrainer
    from rnnfast.examples.torch_speed import compare_training

    text = read_text(text_file)
    model = CharModel(Alphabet.of(text), cell=cell, hidden=12, layers=2, embedding=6)
    codes = model.alphabet.encode(text)
    theirs, ours = TorchTrainer(copy.deepcopy(model)), Trainer(model)
    losses = [(ours.step(*pair), theirs.step(*pair)) for pair in itertools.islice(chunks(codes, 8, 16), 5)]
    assert losses[0][0] > losses[-1][0]
    for our_loss, their_loss in losses:
        assert our_loss == pytest.approx(their_loss, rel=1e-4)
    speed = compare_training(model, codes, seconds=0)
    assert speed.ours > 0 and speed.torch > 0 and speed.ratio == speed.ours / speed.torch


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


def test_chosen_backend_is_compared(text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if reason := rnnfast.backends()["c"]:
        pytest.skip(reason)
    arguments = ["--text", str(text_file), "--output", str(tmp_path), "--backend", "c", "--hidden", "16"]
    assert cli.main(["demo", "--seconds", "0.2", *arguments]) == 0
    assert re.search(r"[\d.]+ ms, NumPy reference [\d.]+ ms: [\d.]+ times faster", capsys.readouterr().out)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_model_gradients_point_uphill(cell: str) -> None:
    rng = np.random.default_rng(0)
    model = CharModel(Alphabet.of("abcdef"), cell=cell, hidden=5, layers=2, embedding=4, backend="reference")
    inputs, targets = rng.integers(0, 6, (2, 7, 3))
    state = model.gradients(inputs, targets)[1]
    _, _, grads = model.gradients(inputs, targets, state)
    assert grads.keys() == model.parameters.keys()
    for part in ("embedding", "recurrent", "head"):
        names = [name for name in grads if name.startswith(part)]
        length = np.sqrt(sum(np.vdot(grads[name], grads[name]) for name in names))
        values = []
        for step in (0.01, -0.02):
            for name in names:
                model.parameters[name] += np.float32(step / length) * grads[name]
            values.append(model.gradients(inputs, targets, state)[0])
        for name in names:
            model.parameters[name] += np.float32(0.01 / length) * grads[name]
        assert (values[0] - values[1]) / 0.02 == pytest.approx(length, rel=0.02)


def test_evaluation_carries_the_state_through_its_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    model = CharModel(Alphabet.of("abcdef"), hidden=8, backend="reference")
    codes = np.random.default_rng(1).integers(0, 6, 300)
    whole = model.bits_per_character(codes)
    monkeypatch.setattr("rnnfast.examples.char_text.EVALUATION_STEPS", 37)
    assert model.bits_per_character(codes) == pytest.approx(whole, rel=1e-5)
    loss, _, _ = model.gradients(codes[:-1, None], codes[1:, None])
    assert whole == pytest.approx(loss / np.log(2), rel=1e-5)


def test_a_wrong_number_of_threads_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if rnnfast.backends()["c"] is not None:
        pytest.skip("only the C backend has threads")
    monkeypatch.setenv("RNNFAST_NUM_THREADS", "x")
    with python(tmp_path, "-m", "rnnfast", "demo", "--seconds", "0") as child:
        _, errors = child.communicate(timeout=60)
    assert child.returncode == 1
    assert errors == "rnnfast: RNNFAST_NUM_THREADS is 'x', expected a whole number above 0\n"


def test_samples_follow_seed_and_temperature() -> None:
    model = CharModel(Alphabet.of("abcdef"), hidden=8, seed=4, backend="reference")
    once, again, other = (model.generate("abc", 50, seed=seed) for seed in (1, 1, 2))
    assert once == again != other
    assert len(once) == 50
    cold = [model.generate("abc", 50, temperature=1e-4, seed=seed) for seed in (1, 2)]
    assert model.generate("abc", 50, temperature=5e-324) == cold[0]
    assert cold[0] == cold[1]


def test_chunks_follow_one_another() -> None:
    codes = np.arange(103)
    pairs = list(itertools.islice(chunks(codes, batch=4, steps=5), 50))
    for inputs, targets in pairs:
        assert inputs.shape == targets.shape == (5, 4)
        assert np.array_equal(targets, (inputs + 1) % 103)
    for (before, _), (after, _) in itertools.pairwise(pairs):
        assert np.array_equal(after[0], (before[-1] + 1) % 103)
    assert set(np.concatenate([inputs.ravel() for inputs, _ in pairs])) == set(range(103))


def test_unigram_baseline_by_hand() -> None:
    assert unigram_bits(np.array([0, 0]), np.array([0, 1]), 2) == pytest.approx((np.log2(4 / 3) + 2) / 2)


def test_alphabet_round_trip() -> None:
    text = "naïve 𝄞 text\n\0"
    alphabet = Alphabet.of(text)
    assert alphabet.decode(alphabet.encode(text)) == text
    assert len(alphabet) == len(set(text))


def test_python_topics_hold_out_what_training_never_sees() -> None:
    text = python_topics()
    assert len(text) > 100_000
    codes = Alphabet.of(text).encode(text)
    training, held_out = split(codes)
    assert 0.049 < len(held_out) / len(codes) <= 0.1
    seen, new = (set(text.split("\n\n")) for text in (text[: len(training)], text[len(training) :]))
    assert not seen & new
