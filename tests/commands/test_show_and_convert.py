"""`rnnfast show` and `rnnfast convert`: what a model is, and the file that C reads."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from commands import assert_one_line
from foreign_models import nam_file, rtneural_file

import rnnfast
from rnnfast import cli, nn


def shown(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(["show", str(path)]) == 0
    printed, errors = capsys.readouterr()
    assert not errors
    return str(printed)


def table(printed: str) -> dict[str, list[str]]:
    """The rows by their first word, cells of the last five columns."""
    lines = printed.split("\n\n")[1].splitlines()
    return {line.split()[0]: line.split()[-5:] for line in lines[1:]}


def test_show(tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]) -> None:
    file = nam_file(rng, 1, 3, 2, sample_rate=48000, metadata={"name": "Plexi"})
    (tmp_path / "amp.nam").write_text(json.dumps(file))
    printed = shown(tmp_path / "amp.nam", capsys)
    assert "a model of Neural Amp Modeler, made for 48000 samples a second, float32" in printed
    assert "name Plexi" in printed and "learned: lstm begins with the h0 and c0 of the file" in printed
    assert "converted: lstm: matrices of input and hidden state parted" in printed
    assert re.search(r"^256 steps at once, stream.run: [\d.]+ µs a step, [\d.,]+ times real time$", printed, re.M)
    rows = table(printed)
    net = rnnfast.LSTM(1, 3, 2).net
    assert rows["lstm"][:4] == ["1", "3", str(net.num_parameters), str(12 * (1 + 3 + 3 + 3))]
    assert rows["head"][:4] == ["3", "1", "4", "3"]
    assert rows["model"][:4] == ["1", "1", str(net.num_parameters + 4), "123"]
    assert all(float(row[4]) > 0 for row in rows.values())


def test_show_other_parts(tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.json").write_text(json.dumps(rtneural_file(rng, 2, [("gru", 3, ""), ("dense", 1, "tanh")])))
    printed = shown(tmp_path / "a.json", capsys)
    assert "converted: gru0: weights transposed, gates z r h put in the order r z n" in printed
    assert table(printed)["dense1_tanh"][:4] == ["1", "1", "0", "0"]
    model = nn.Sequential(a=nn.Embedding(5, 2), b=rnnfast.RNN(2, 3, bidirectional=True), c="softmax")
    model.save(tmp_path / "b.npz")
    rows = table(shown(tmp_path / "b.npz", capsys))
    assert rows["a"][:4] == ["1", "2", "10", "0"] and float(rows["a"][4]) > 0
    assert rows["b"][:2] == ["2", "6"] and rows["b"][4] == rows["model"][4] == "–"
    assert rows["c"][:2] == ["6", "6"]


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_convert(suffix: str, tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]) -> None:
    if suffix == ".safetensors":
        pytest.importorskip("safetensors", reason="safetensors is not installed")
    (tmp_path / "amp.nam").write_text(json.dumps(nam_file(rng, 1, 3, 1)))
    assert cli.main(["convert", str(tmp_path / "amp.nam"), str(tmp_path / f"out{suffix}")]) == 0
    assert "a model of 2 parts: lstm, head\n" in capsys.readouterr().out
    x = rng.standard_normal((8, 1)).astype(np.float32)
    first, second = (rnnfast.load_model(tmp_path / name) for name in ("amp.nam", f"out{suffix}"))
    np.testing.assert_array_equal(first(x)[0], second(x)[0])


def test_what_cannot_be_converted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nn.Sequential(a="tanh").save(tmp_path / "a.npz")
    words = {
        ("a.npz", "b.safetensors"): "would hold activations alone",
        ("a.npz", "b.h5"): "b.h5 ends in '.h5', expected one of .npz, .safetensors",
        ("a.npz", "no/b.npz"): "cannot write .*no/b.npz: No such file",
        ("b.npz", "c.npz"): "cannot read .*b.npz: No such file",
    }
    for (given, output), said in words.items():
        assert cli.main(["convert", str(tmp_path / given), str(tmp_path / output)]) == 1
        assert_one_line(capsys.readouterr().err, said)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
