"""What a file says about its net: another variant does not load it, and the error names the options that differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast
from rnnfast.net import files, saved

SUFFIXES = pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
DIFFERENT: dict[str, tuple[Any, Any, str]] = {
    "reset gate": (rnnfast.GRU(2, 3), rnnfast.GRU(2, 3, reset_after=False), r"reset_after=True \(False here\)"),
    "cell's": (rnnfast.GRUCell(2, 3, reset_after=False), rnnfast.GRUCell(2, 3), r"reset_after=False \(True here\)"),
    "activation": (
        rnnfast.RNN(2, 3, nonlinearity="relu"),
        rnnfast.RNN(2, 3),
        r"nonlinearity='relu' \('tanh' here\)",
    ),
    "kind": (rnnfast.LSTM(2, 3), rnnfast.GRU(2, 3), "a net of kind LSTM, this is a GRU"),
    "step cell": (rnnfast.LSTMCell(2, 3), rnnfast.LSTM(2, 3), "a net of kind LSTMCell, this is a LSTM"),
    "size": (rnnfast.RNN(2, 3), rnnfast.RNN(4, 3), r"input_size=2 \(4 here\)"),
    "several": (
        rnnfast.LSTM(2, 3, 2, dropout=0.5, batch_first=True),
        rnnfast.LSTM(2, 3, 2, masked_output="hold"),
        r"batch_first=True \(False here\), dropout=0.5 \(0.0 here\), masked_output='zero' \('hold' here\)",
    ),
}


def needs(suffix: str) -> None:
    """Skip where the package for this kind of file is not installed."""
    if suffix == ".safetensors":
        pytest.importorskip("safetensors", reason="safetensors is not installed")


@SUFFIXES
@pytest.mark.parametrize("name", DIFFERENT)
def test_files_of_another_net_are_refused(name: str, suffix: str, tmp_path: Path) -> None:
    needs(suffix)
    source, net, words = DIFFERENT[name]
    source.save(tmp_path / f"net{suffix}")
    before = net.state_dict()
    with pytest.raises(ValueError, match=words):
        net.load(tmp_path / f"net{suffix}")
    assert all(np.array_equal(array, before[name]) for name, array in net.parameters.items())


@SUFFIXES
def test_without_strict_the_cell_alone_counts(suffix: str, tmp_path: Path) -> None:
    needs(suffix)
    path, source = tmp_path / f"net{suffix}", rnnfast.GRU(2, 3, 2, dropout=0.5)
    source.save(path)
    net = rnnfast.GRU(2, 3, batch_first=True)
    with pytest.raises(ValueError, match="or pass strict=False, which compares the cell alone"):
        net.load(path)
    found = net.load(path, strict=False)
    assert not found.missing_keys and set(found.unexpected_keys) == {n for n in source.parameters if "_l1" in n}
    np.testing.assert_array_equal(net.parameters["weight_hh_l0"], source.parameters["weight_hh_l0"])
    for other in (rnnfast.GRU(2, 3, 2, reset_after=False), rnnfast.LSTM(2, 3, 2)):
        with pytest.raises(ValueError, match="reset_after|kind GRU"):
            other.load(path, strict=False)


def test_what_is_written(tmp_path: Path) -> None:
    rnnfast.GRU(2, 3, reset_after=False, dtype="float64").save(tmp_path / "net.npz")
    arrays, metadata = files.load_with_metadata(tmp_path / "net.npz")
    assert list(arrays) == ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    options = {"input_size": 2, "hidden_size": 3, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0}
    options |= {"bidirectional": False, "input_dropout": 0.0, "recurrent_dropout": 0.0, "masked_output": "zero"}
    part = {"name": "", "kind": "GRU", "options": options | {"reset_after": False}}
    assert json.loads(metadata["rnnfast"]) == {"version": 1, "parts": [part]}


def test_files_that_do_not_say_load_as_before(tmp_path: Path) -> None:
    source, net = rnnfast.GRU(2, 3), rnnfast.GRU(2, 3, reset_after=False)
    np.savez(tmp_path / "net.npz", **source.parameters)
    net.load(tmp_path / "net.npz")
    np.testing.assert_array_equal(net.parameters["weight_hh_l0"], source.parameters["weight_hh_l0"])


def test_options_that_are_left_out_have_their_defaults(tmp_path: Path) -> None:
    source, path = rnnfast.GRU(2, 3), tmp_path / "net.npz"
    part: Any = {"name": "", "kind": "GRU", "options": {"input_size": 2, "hidden_size": 3}}
    files.save(path, source.parameters, saved.metadata_of([part]))
    rnnfast.GRU(2, 3).load(path)
    with pytest.raises(ValueError, match="reset_after=True"):
        rnnfast.GRU(2, 3, reset_after=False).load(path)
    part["options"]["peepholes"] = True
    files.save(path, source.parameters, saved.metadata_of([part]))
    with pytest.raises(ValueError, match=r"peepholes=True \(unknown here\)"):
        rnnfast.GRU(2, 3).load(path)


def test_one_part_of_a_model(tmp_path: Path) -> None:
    encoder, decoder = rnnfast.GRU(2, 3, seed=1), rnnfast.GRU(2, 3, reset_after=False, seed=2)
    nets, path = {"encoder": encoder, "model.decoder": decoder}, tmp_path / "model.npz"
    arrays = {f"{name}.{n}": a for name, net in nets.items() for n, a in net.parameters.items()}
    files.save(path, arrays, saved.metadata_of(saved.part_of(net.net, name) for name, net in nets.items()))
    net = rnnfast.GRU(2, 3)
    net.load(path, prefix="encoder.")
    np.testing.assert_array_equal(net.parameters["bias_ih_l0"], encoder.parameters["bias_ih_l0"])
    with pytest.raises(ValueError, match="reset_after=False"):
        net.load(path, prefix="model.decoder.")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ('{"version": 2, "parts": []}', "was written by a later version of rnnfast"),
        ("{", "metadata 'rnnfast' that cannot be read"),
        ("[]", "cannot be read"),
        ('{"version": 1}', "cannot be read"),
        ('{"version": 1, "parts": [{"name": "", "kind": "GRU", "options": 3}]}', "cannot be read"),
        ('{"version": "1", "parts": []}', "cannot be read"),
    ],
)
def test_words_that_cannot_be_read(words: str, message: str, tmp_path: Path) -> None:
    net = rnnfast.GRU(2, 3)
    files.save(tmp_path / "net.npz", net.parameters, {"rnnfast": words})
    with pytest.raises(ValueError, match=f"net.npz .*{message}"):
        net.load(tmp_path / "net.npz")
