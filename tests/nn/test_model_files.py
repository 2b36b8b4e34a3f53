"""Files that no model can be made of: refused, by the names of file and part, before anything large is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast
from rnnfast import nn
from rnnfast.net import files, saved
from rnnfast.problem import Array

W = np.ones((4, 2), np.float32)
LINEAR = {"in_features": 2, "out_features": 4, "bias": False}
GRU: dict[str, Array] = {f"gru.{name}": array for name, array in rnnfast.GRU(2, 3).state_dict().items()}


def written(folder: Path, arrays: dict[str, Array], *parts: tuple[str, str, dict[str, Any]]) -> Path:
    """A file with these arrays that tells of parts by name, kind and options."""
    described: list[saved.Part] = [{"name": name, "kind": kind, "options": options} for name, kind, options in parts]
    files.save(folder / "model.npz", arrays, saved.metadata_of(described))
    return folder / "model.npz"


FAULTS: dict[str, tuple[dict[str, Array], str, dict[str, Any], str]] = {
    "unknown": ({"a.weight": W}, "Linear", LINEAR | {"nope": 1}, "this Linear has the options nope, expected none but"),
    "seed": ({"a.weight": W}, "Linear", LINEAR | {"seed": 3}, "this Linear has the options seed"),
    "backend": ({"a.weight_ih_l0": W}, "GRU", {"input_size": 2, "hidden_size": 3, "backend": "numba"}, "backend"),
    "missing": ({"a.weight": W}, "Linear", {}, "the options of this Linear lack in_features, out_features"),
    "function": ({}, "activation", {}, "the options of this activation lack function"),
    "more": ({}, "activation", {"function": "tanh", "x": 1}, "this activation has the options x"),
    "no such": ({}, "activation", {"function": "gelu"}, "function is 'gelu', expected one of 'tanh'"),
    "text": ({"a.weight": W}, "Linear", LINEAR | {"in_features": "2"}, "in_features must be a whole number, got str"),
    "kind": ({"a.weight": W}, "Conv", {}, "holds a part of kind 'Conv', expected RNN"),
    "huge": (
        {"a.weight": W},
        "Linear",
        LINEAR | {"in_features": 10**9, "out_features": 10**9},
        r"weight has shape \(4, 2\), expected \(1000000000, 1000000000\)",
    ),
    "table": ({"a.weight": W}, "Embedding", {"num_embeddings": 10**12, "embedding_dim": 2}, "weight has shape"),
    "hidden": (
        {f"a.{name.removeprefix('gru.')}": array for name, array in GRU.items()},
        "GRU",
        {"input_size": 2, "hidden_size": 10**9},
        "weight_ih_l0 has shape .*; weight_hh_l0 has shape",
    ),
    "layers": (
        {f"a.{name.removeprefix('gru.')}": array for name, array in GRU.items()},
        "GRU",
        {"input_size": 2, "hidden_size": 3, "num_layers": 10**9},
        "num_layers is 1000000000, but there are only 4 arrays",
    ),
    "array": ({"a.weight": W}, "Linear", LINEAR | {"bias": True}, "missing bias"),
    "no weights": ({"b.weight": W}, "Linear", LINEAR, "no weights: weight is missing"),
    "dtype": ({"a.weight": W.astype(np.float16)}, "Linear", LINEAR, "dtype is dtype.'float16'., expected 'float32'"),
    "two dtypes": (
        {"a.weight": W, "a.bias": np.ones(4)},
        "Linear",
        LINEAR | {"bias": True},
        "bias has dtype",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_file_and_the_part_are_named(fault: str, tmp_path: Path) -> None:
    arrays, kind, options, words = FAULTS[fault]
    path = written(tmp_path, arrays, ("a", kind, options))
    with pytest.raises(ValueError, match=f"{path}, part 'a': .*{words}"):
        rnnfast.load_model(path)


@pytest.mark.parametrize(
    "state, words",
    [
        ({"h0": np.ones((2, 3), np.float32)}, r"the initial state has shape \(2, 3\), expected \(1, 3\)"),
        ({"h0": np.ones((1, 3))}, "the initial state has dtype"),
        ({"c0": np.ones((1, 3), np.float32)}, "there is an initial state c0, a GRU has h0 alone"),
    ],
)
def test_learned_states_that_do_not_fit(state: dict[str, Array], words: str, tmp_path: Path) -> None:
    arrays = GRU | {f"gru.{name}": array for name, array in state.items()}
    path = written(tmp_path, arrays, ("gru", "GRU", {"input_size": 2, "hidden_size": 3}))
    with pytest.raises(ValueError, match=f"{path}, part 'gru': {words}"):
        rnnfast.load_model(path)


def test_two_parts_of_one_name_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, {"a.weight": W}, ("a", "Linear", LINEAR), ("a", "Linear", LINEAR))
    with pytest.raises(ValueError, match=f"{path} has several parts called 'a', expected a name"):
        rnnfast.load_model(path)


@pytest.mark.parametrize("names", [("", "net"), ("net", "")])
def test_only_a_part_alone_has_no_name(names: tuple[str, str], tmp_path: Path) -> None:
    arrays = {"net.weight": W, "weight": W}
    path = written(tmp_path, arrays, *((name, "Linear", LINEAR) for name in names))
    with pytest.raises(ValueError, match=f"{path}: '' cannot be the name of a part"):
        rnnfast.load_model(path)


def test_names_and_chains_of_a_file(tmp_path: Path) -> None:
    path = written(tmp_path, {"a.b.weight": W}, ("a.b", "Linear", LINEAR))
    with pytest.raises(ValueError, match=f"{path}: 'a.b' cannot be the name of a part"):
        rnnfast.load_model(path)
    path = written(tmp_path, {"a.weight": W, "b.weight": W}, ("a", "Linear", LINEAR), ("b", "Linear", LINEAR))
    with pytest.raises(ValueError, match=f"{path}: b takes 2 features, expected 4, which a before it gives"):
        rnnfast.load_model(path)
    path = written(tmp_path, {"self.weight": W}, ("self", "Linear", LINEAR))
    assert rnnfast.load_model(path)(np.ones((1, 2), np.float32))[0].tolist() == [[2.0] * 4]


def test_options_do_not_hold_a_conversion_up(tmp_path: Path) -> None:
    nn.Sequential(net=rnnfast.LSTM(2, 3), head=nn.Linear(3, 1)).save(tmp_path / "model.npz")
    model = rnnfast.load_model(tmp_path / "model.npz", dtype="float64")
    assert {array.dtype for array in model.parameters.values()} == {np.dtype("float64")}


def test_more_parts_than_c_reads_are_not_saved(tmp_path: Path) -> None:
    model = nn.Sequential(**{f"p{n}": "tanh" for n in range(saved.MOST_PARTS + 1)})
    with pytest.raises(ValueError, match="1025 nets and layers are too many for a file, expected 1024 at most"):
        model.save(tmp_path / "model.npz")
    assert not list(tmp_path.iterdir())


def test_names_that_no_file_can_have_are_refused() -> None:
    for name in ("", "a.b", "\ud800"):
        with pytest.raises(ValueError, match="cannot be the name of a part"):
            nn.Sequential(**{name: "tanh"})


def test_another_backend_is_no_fault_of_the_file(tmp_path: Path) -> None:
    rnnfast.GRU(2, 3).save(tmp_path / "net.npz")
    with pytest.raises(ValueError, match="^(?!.*net.npz).*none"):
        rnnfast.load_model(tmp_path / "net.npz", backend="none")


def test_activations_alone_are_no_file_for_c(tmp_path: Path) -> None:
    model = nn.Sequential(a="tanh", b="softmax")
    with pytest.raises(ValueError, match="would hold activations alone, of which C cannot tell how many features"):
        model.save(tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())
    model.save(tmp_path / "model.npz")
    assert repr(rnnfast.load_model(tmp_path / "model.npz")) == repr(model)
