"""`rnnfast run`: sounds and arrays streamed through models, and what is told; what cannot be run."""

from __future__ import annotations

import json
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import assert_one_line
from foreign_models import nam_file, nam_output
from hypothesis import given, settings
from hypothesis import strategies as st
from sounds import KINDS, wav

import rnnfast
from rnnfast import cli, nn
from rnnfast.commands import inputs, outputs
from rnnfast.commands.model import sizes_of
from rnnfast.examples.errors import UserError
from rnnfast.problem import Array

pytest.importorskip("rich", reason="rnnfast run needs rich")


@pytest.fixture
def amp(tmp_path: Path, rng: np.random.Generator) -> Any:
    """A model of one channel, made for 8000 samples a second, in a file: the path, and what the file holds."""
    file = nam_file(rng, 1, 4, 2, sample_rate=8000)
    file["weights"] = (np.array(file["weights"]) * 0.3).tolist()
    (tmp_path / "amp.nam").write_text(json.dumps(file))
    return tmp_path / "amp.nam", file


def run(model: Path, given: Path, output: Path, *more: str) -> int:
    return cli.main(["run", str(model), str(given), "-o", str(output), *more])


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound(kind: str, amp: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sound = np.random.default_rng(0).uniform(-0.9, 0.9, (301, 1))
    x = wav(tmp_path / "in.wav", sound, kind, extra=True)
    assert run(amp[0], tmp_path / "in.wav", tmp_path / "out.wav") == 0
    data = (tmp_path / "out.wav").read_bytes()
    before = data.index(b"data") + 8
    expected = nam_output(amp[1], x)[:, 0]
    bits = 8 * int(kind[1])
    if kind[0] == "f":
        got = np.frombuffer(data[before:], f"<{kind}")
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=2e-6)
    else:
        with wave.open(str(tmp_path / "out.wav")) as opened:  # which checks the header
            assert opened.getparams()[:4] == (1, bits // 8, 8000, 301)
            frames = opened.readframes(301)
        width = bits // 8
        numbers = [
            int.from_bytes(frames[n : n + width], "little", signed=width > 1) - 128 * (width == 1)
            for n in range(0, len(frames), width)
        ]
        np.testing.assert_allclose(np.array(numbers) / 2 ** (bits - 1), expected, atol=0.51 / 2 ** (bits - 1) + 2e-6)
    printed, errors = capsys.readouterr()
    assert not errors
    assert (
        "301 steps in" in printed and "µs a step: " in printed and "times real time at 8000 samples a second" in printed
    )
    assert printed.endswith(f"saved: {tmp_path / 'out.wav'}\n")


def test_channels_are_rows_of_a_model_of_one(amp: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = wav(tmp_path / "in.wav", np.random.default_rng(0).uniform(-1, 1, (50, 3)), "f4", 44100, extensible=True)
    assert run(amp[0], tmp_path / "in.wav", tmp_path / "out.npy") == 0
    got = np.load(tmp_path / "out.npy")
    expected = np.concatenate([nam_output(amp[1], x[:, n : n + 1]) for n in range(3)], axis=1)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=2e-6)
    printed, errors = capsys.readouterr()
    assert_one_line(errors, "amp.nam was made for 8000 samples a second, .*in.wav has 44100: it will sound otherwise")
    assert "50 steps of 3 rows in" in printed and "at 44100 samples" in printed


def test_channels_are_features_of_a_model_of_as_many(tmp_path: Path) -> None:
    model = nn.Sequential(net=rnnfast.GRU(2, 3, batch_first=True, seed=0), head=nn.Linear(3, 2, seed=1), out="tanh")
    model.save(tmp_path / "model.npz")
    x = wav(tmp_path / "in.wav", np.random.default_rng(0).uniform(-1, 1, (40_000, 2)), "f4").astype(np.float32)
    assert run(tmp_path / "model.npz", tmp_path / "in.wav", tmp_path / "out.wav") == 0
    data = (tmp_path / "out.wav").read_bytes()
    got = np.frombuffer(data[data.index(b"data") + 8 :], np.float32).reshape(-1, 2)
    np.testing.assert_allclose(got, model(x)[0], rtol=1e-5, atol=1e-6)
    np.save(tmp_path / "rows.npy", rows := x.reshape(-1, 4, 2))
    assert run(tmp_path / "model.npz", tmp_path / "rows.npy", tmp_path / "out.npy") == 0
    expected = model(np.ascontiguousarray(rows.swapaxes(0, 1)))[0].swapaxes(0, 1)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, rtol=1e-5, atol=1e-6)


SHAPES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "steps": ((20,), (20,)),
    "features": ((20, 1), (20, 1)),
    "rows": ((20, 3, 1), (20, 3, 1)),
    "none": ((0, 1), (0, 1)),
}


@pytest.mark.parametrize("shapes", SHAPES)
def test_arrays(shapes: str, amp: Any, tmp_path: Path) -> None:
    given, gives = SHAPES[shapes]
    x = np.random.default_rng(0).standard_normal(given).astype(np.float32)
    np.save(tmp_path / "in.npy", x)
    assert run(amp[0], tmp_path / "in.npy", tmp_path / "out.npy", "--backend", "reference") == 0
    got = np.load(tmp_path / "out.npy")
    assert got.shape == gives and got.dtype == np.float32
    if x.size:
        rows = x.reshape(len(x), -1)
        expected = np.concatenate([nam_output(amp[1], rows[:, n : n + 1]) for n in range(rows.shape[1])], axis=1)
        np.testing.assert_allclose(got.reshape(expected.shape), expected, rtol=1e-5, atol=2e-6)


def test_indices(tmp_path: Path) -> None:
    model = nn.Sequential(
        embed=nn.Embedding(7, 3, seed=0), net=rnnfast.LSTM(3, 4, seed=0), head=nn.Linear(4, 2, seed=1)
    )
    model.save(tmp_path / "model.npz")
    for shape in ((9,), (9, 2)):
        x = np.random.default_rng(0).integers(0, 7, shape)
        np.save(tmp_path / "in.npy", x)
        assert run(tmp_path / "model.npz", tmp_path / "in.npy", tmp_path / "out.npy") == 0
        np.testing.assert_allclose(np.load(tmp_path / "out.npy"), model(x)[0], rtol=1e-5, atol=1e-6)


def test_a_state_dict_and_words(tmp_path: Path) -> None:
    net, head = rnnfast.LSTM(1, 3, seed=0), nn.Linear(3, 1, seed=1)
    np.savez(tmp_path / "model.npz", **nn.named(model=nn.named(rnn=net.state_dict(), fc=head.state_dict())))
    np.save(tmp_path / "in.npy", np.ones(9))
    words = ["--parts", "rnn=LSTM,fc=Linear,out=tanh", "--prefix", "model.", "--dtype", "float64"]
    assert run(tmp_path / "model.npz", tmp_path / "in.npy", tmp_path / "out.npy", *words) == 0
    expected = np.tanh(head(net(np.ones((9, 1), np.float32))[0]))[:, 0]
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, rtol=1e-5)
    with pytest.raises(SystemExit):
        run(tmp_path / "model.npz", tmp_path / "in.npy", tmp_path / "out.npy", "--parts", "rnn")


def test_what_a_sound_cannot_hold(amp: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = nn.Sequential(head=nn.Linear(1, 1, bias=False))
    model.parameters["head.weight"][...] = 4
    model.save(tmp_path / "loud.npz")
    wav(tmp_path / "in.wav", np.array([[0.5], [0.1], [-0.5]]), "i2")
    assert run(tmp_path / "loud.npz", tmp_path / "in.wav", tmp_path / "out.wav") == 0
    assert "2 samples were louder than the file can hold and were cut off" in capsys.readouterr().out
    with wave.open(str(tmp_path / "out.wav")) as opened:
        assert np.frombuffer(opened.readframes(3), "<i2").tolist() == [32767, 13108, -32768]
    model.parameters["head.weight"][...] = np.nan
    model.save(tmp_path / "loud.npz")
    assert run(tmp_path / "loud.npz", tmp_path / "in.wav", tmp_path / "none.wav") == 1
    assert_one_line(capsys.readouterr().err, "the model gives NaN or inf")
    assert not (tmp_path / "none.wav").exists()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def changed(path: Path, at: int, value: bytes) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:at] + value + data[at + len(value) :])


def test_without_rich_it_is_asked_for(amp: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "rich" or name == "rnnfast.commands.run"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rich", None)
    assert run(amp[0], tmp_path / "in.npy", tmp_path / "out.npy") == 1
    assert_one_line(capsys.readouterr().err, r"run needs rich, .*pip install 'rnnfast\[run\]'")


FAULTS: dict[str, tuple[str, Any, str]] = {
    "no sound": ("in.wav", lambda p: changed(p, 0, b"RIFX"), "in.wav is no .wav file: it does not begin with"),
    "cut off": ("in.wav", cut, "in.wav is cut off: its part b'data' has 40 bytes, 39 are there"),
    "no format": ("in.wav", lambda p: p.write_bytes(p.read_bytes()[:12]), "no whole .wav file: it has no format"),
    "only format": ("in.wav", lambda p: p.write_bytes(p.read_bytes()[:36]), "no whole .wav file: it has no sound"),
    "compressed": (
        "in.wav",
        lambda p: changed(p, 20, b"\x55\0"),
        "1 channels of format 85 with 16 bits",
    ),
    "no channels": ("in.wav", lambda p: changed(p, 22, b"\0\0"), "0 channels of format 1"),
    "frames": ("in.wav", lambda p: changed(p, 32, b"\7\0"), "channels of format 1"),
    "size": ("in.wav", lambda p: changed(p, 40, b"\xff\xff\xff\xff"), "part b'data' has 4294967295 bytes"),
    "no array": ("in.npy", lambda p: p.write_bytes(b"x" * 99), "in.npy is no whole .npy file"),
    "half an array": ("in.npy", cut, "in.npy is no whole .npy file"),
    "objects": ("in.npy", lambda p: np.save(p, np.array([None]), allow_pickle=True), "in.npy is no whole .npy file"),
    "shape": (
        "in.npy",
        lambda p: np.save(p, np.ones((4, 3))),
        r"in.npy has shape \(4, 3\), this model takes",
    ),
    "axes": ("in.npy", lambda p: np.save(p, np.ones(())), r"in.npy has shape \(\), this model takes"),
    "no rows": (
        "in.npy",
        lambda p: np.save(p, np.ones((4, 0, 1))),
        r"has shape \(4, 0, 1\), expected at least one row",
    ),
    "dtype": (
        "in.npy",
        lambda p: np.save(p, np.ones((4, 1))),
        "in.npy: x has dtype float64, this LSTM computes in",
    ),
    "suffix": ("in.mp3", lambda p: p.write_bytes(b""), "in.mp3 ends in '.mp3', expected .wav or .npy"),
    "missing": ("none.wav", lambda p: None, "cannot read .*none.wav: No such file"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_inputs_that_cannot_be_read(fault: str, amp: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, damage, words = FAULTS[fault]
    wav(tmp_path / "in.wav", np.zeros((20, 1)), "i2")
    np.save(tmp_path / "in.npy", np.zeros((20, 1), np.float32))
    damage(tmp_path / name)
    assert run(amp[0], tmp_path / name, tmp_path / "out.npy") == 1
    assert_one_line(capsys.readouterr().err, words)
    assert not (tmp_path / "out.npy").exists()


@settings(max_examples=100)
@given(st.data())
def test_sounds_changed_anywhere(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "changed.wav"
    wav(path, np.zeros((9, 2)), data.draw(st.sampled_from(KINDS)), extensible=data.draw(st.booleans()))
    good, at = path.read_bytes(), data.draw(st.integers(0, 80))
    path.write_bytes(good[:at] + data.draw(st.binary(max_size=4)) + good[at + data.draw(st.integers(0, 4)) :])
    model = nn.Sequential(net=rnnfast.GRU(1, 1))
    try:
        with inputs.opened(path, sizes_of(model)) as given, outputs.replaced(path, given, 1) as taken:
            for chunk in given.chunks(4):
                assert chunk.shape[1:] == (given.rows, 1)
                taken.write(chunk)
    except UserError as error:
        assert str(path) in str(error) or "NaN or inf" in str(error)


def saved(folder: Path, x: Array, **parts: Any) -> tuple[Path, Path]:
    nn.Sequential(**parts).save(folder / "model.npz")
    np.save(folder / "in.npy", x)
    return folder / "model.npz", folder / "in.npy"


def test_models_and_outputs_that_cannot_be(amp: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, given = saved(tmp_path, np.ones((4, 2), np.float32), net=rnnfast.GRU(2, 3, bidirectional=True))
    words = {
        (model, given, "out.npy"): "this model cannot be streamed: .* bidirectional",
        (model, given, "out.txt"): "out.txt ends in '.txt', expected .wav or .npy",
        (tmp_path / "none.npz", given, "out.npy"): "cannot read .*none.npz: No such file",
        (given, given, "out.npy"): "in.npy is no file of a model that is known here",
        (amp[0], tmp_path / "two.npy", "out.wav"): "out.wav would be a sound made of an array",
        (amp[0], tmp_path / "two.npy", "no/out.npy"): "cannot write .*no/out.npy: No such file",
    }
    np.save(tmp_path / "two.npy", np.ones(4, np.float32))
    for (path, x, output), said in words.items():
        if output.endswith(".txt"):
            path = saved(tmp_path, np.ones((4, 2), np.float32), net=rnnfast.GRU(2, 3))[0]
        assert run(path, x, tmp_path / output) == 1
        assert_one_line(capsys.readouterr().err, said)
        if output.endswith(".txt"):
            saved(tmp_path, np.ones((4, 2), np.float32), net=rnnfast.GRU(2, 3, bidirectional=True))
    assert run(amp[0], tmp_path / "two.npy", tmp_path / "out.npy", "--backend", "fortran") == 1
    assert_one_line(capsys.readouterr().err, "fortran")
