"""State dicts of whole models: in every kind of file, beside the PyTorch modules that they are of; what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nets import BACKEND

import rnnfast
from rnnfast.integrations.state_dicts import content
from rnnfast.net import files
from rnnfast.problem import Array

PARTS = {"embed": "Embedding", "rnn": "LSTM", "between": "relu", "upper": "GRU", "head": "Linear", "out": "log_softmax"}
LSTM = {f"rnn.{name}": array for name, array in rnnfast.LSTM(2, 3, seed=0).state_dict().items()}
HEAD = {"head.weight": np.ones((1, 3), np.float32), "head.bias": np.zeros(1, np.float32)}


def module() -> Any:
    """A model of PyTorch, wrapped, so that its names begin with model."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torch.manual_seed(0)

    class Model(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.head = torch.nn.Linear(5, 3, bias=False)
            self.embed = torch.nn.Embedding(11, 4)
            self.rnn = torch.nn.LSTM(4, 7, 2, bidirectional=True)
            self.upper = torch.nn.GRU(14, 5, bias=False)

        def forward(self, x: Any) -> Any:
            y = torch.relu(self.rnn(self.embed(x))[0])
            return torch.log_softmax(self.head(self.upper(y)[0]), -1)

    return torch, Model()


@pytest.mark.parametrize("kind", ["pt", "old pickle", "checkpoint", "safetensors", "npz", "json"])
def test_every_kind_of_file(kind: str, tmp_path: Path) -> None:
    torch, theirs = module()
    x = np.random.default_rng(0).integers(0, 11, (6, 3))
    path, prefix = tmp_path / "model.file", "model."
    state = {f"model.{name}": tensor for name, tensor in theirs.state_dict().items()}
    if kind in ("pt", "old pickle"):
        torch.save(state, path, _use_new_zipfile_serialization=kind == "pt")
    elif kind == "checkpoint":
        prefix = "state.model."
        torch.save({"epoch": 3, "state": state, "adam": {"step": torch.ones(1)}}, path)
    elif kind == "safetensors":
        library = pytest.importorskip("safetensors.torch", reason="safetensors is not installed")
        library.save_file({**state, "other": torch.ones(2)}, path)
    elif kind == "npz":
        with path.open("wb") as file:
            np.savez(file, **{name: tensor.numpy() for name, tensor in state.items()})
    else:
        path.write_text(json.dumps({name: tensor.tolist() for name, tensor in state.items()}))
    ours = rnnfast.load_model(path, parts=PARTS, prefix=prefix, backend=BACKEND)
    assert list(ours.parts) == list(PARTS)
    expected = theirs(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours(x)[0], expected, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("kind", ["pt", "safetensors"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_other_numbers_are_converted_where_asked(dtype: str, kind: str, tmp_path: Path) -> None:
    torch, theirs = module()
    state = {name: tensor.to(getattr(torch, dtype)) for name, tensor in theirs.state_dict().items()}
    if kind == "pt":
        torch.save(state, tmp_path / "model")
    else:
        pytest.importorskip("safetensors.torch", reason="safetensors is not installed").save_file(
            state, tmp_path / "model"
        )
    found = rnnfast.load_model(tmp_path / "model", parts=PARTS, dtype="float32")
    for name, array in found.parameters.items():
        np.testing.assert_array_equal(array, state[name].to(torch.float32).numpy())
    if dtype == "float64":
        assert rnnfast.load_model(tmp_path / "model", parts=PARTS).parts["rnn"].net.dtype == np.float64
        return
    with pytest.raises(ValueError, match=rf"dtype {dtype}: nothing is cast unasked, pass dtype='float32'"):
        rnnfast.load_model(tmp_path / "model", parts=PARTS)


def test_objects_that_code_makes_are_never_read(tmp_path: Path) -> None:
    torch, theirs = module()
    torch.save(torch.nn.Linear(2, 3), tmp_path / "module.pt")
    with pytest.raises(
        ValueError, match=rf"^{tmp_path / 'module.pt'}: no file of tensors alone .*save model.state_dict"
    ):
        rnnfast.load_model(tmp_path / "module.pt")
    torch.save(torch.ones(2), tmp_path / "tensor.pt")
    with pytest.raises(ValueError, match="holds a Tensor, expected a state dict"):
        rnnfast.load_model(tmp_path / "tensor.pt")
    torch.save({"epoch": 3}, tmp_path / "words.pt")
    with pytest.raises(ValueError, match="holds no tensor"):
        rnnfast.load_model(tmp_path / "words.pt")


def test_without_torch_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    (tmp_path / "model.pt").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(ImportError, match="needs the package torch: install it, or write the state dict by"):
        rnnfast.load_model(tmp_path / "model.pt")


@pytest.mark.parametrize("mode", ["RNN_TANH", "RNN_RELU"])
def test_the_word_says_which_rnn(mode: str) -> None:
    arrays = {f"a.b.{name}": array for name, array in rnnfast.RNN(2, 3, num_layers=2).state_dict().items()}
    (part,) = content(arrays, {"a.b": mode}).parts
    assert part["name"] == "a_b" and part["kind"] == "RNN"
    assert part["options"]["nonlinearity"] == mode[4:].lower() and part["options"]["num_layers"] == 2
    with pytest.raises(ValueError, match=r"does not tell .* such as parts=\{'a.b': 'RNN_TANH'\}"):
        content(arrays, None)
    with pytest.raises(ValueError, match="part 'a.b' is said to be of kind 'RNN', expected one of LSTM, GRU, RNN_TANH"):
        content(arrays, {"a.b": "RNN"})


@pytest.mark.parametrize("prefix, module", [("", "rnn"), ("rnn.", "")])
def test_one_net_alone_needs_no_word(prefix: str, module: str, tmp_path: Path) -> None:
    files.save(tmp_path / "net.npz", LSTM)
    model = rnnfast.load_model(tmp_path / "net.npz", prefix=prefix)
    assert list(model.parts) == [module or "net"]
    x = np.ones((4, 2), np.float32)
    np.testing.assert_array_equal(model(x)[0], rnnfast.LSTM(2, 3, seed=0)(x)[0])


def odd_tensors() -> dict[str, tuple[Any, str]]:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    ones, circle, deep = torch.ones(2, 3), dict[str, Any](), dict[str, Any]()
    circle["a"] = circle
    for _ in range(60):
        deep = {"a": deep or ones}
    return {
        "in circles": (circle, r"a\.a\..* is one dict too many"),
        "deep": (deep, r"a\.a\..* is one dict too many"),
        "sparse": ({"w": ones.to_sparse()}, "w is sparse, quantized or without numbers"),
        "quantized": ({"w": torch.quantize_per_tensor(ones, 0.1, 0, torch.qint8)}, "w is sparse, quantized"),
        "no numbers": ({"w": ones.to("meta")}, "w is sparse, quantized or without numbers"),
        "huge": ({"w": torch.ones(1).expand(10**6, 10**6)}, "w would take 4000000000000 bytes, 4 are stored of it"),
        "eight bits": ({"w": ones.to(torch.float8_e4m3fn)}, "w is of torch.float8_e4m3fn"),
        "one name": ({"a.w": ones, "a": {"w": ones}}, r"two tensors are called a\.w"),
    }


@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's, of quantized tensors
def test_tensors_that_are_no_plain_ones(tmp_path: Path) -> None:
    torch, path = pytest.importorskip("torch", reason="torch is not installed"), tmp_path / "model.pt"
    for tensors, words in odd_tensors().values():
        torch.save(tensors, path)
        with pytest.raises(ValueError, match=rf"^{path}: .*{words}"):
            rnnfast.load_model(path)


def test_tensors_that_are_views(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    state = {name: torch.from_numpy(array) for name, array in LSTM.items()}
    views = {name: torch._neg_view(-tensor) for name, tensor in state.items()}
    views["rnn.weight_ih_l0"] = state["rnn.weight_ih_l0"].t().contiguous().t()
    torch.save(views, tmp_path / "model.pt")
    x = np.ones((4, 2), np.float32)
    found = rnnfast.load_model(tmp_path / "model.pt")(x)[0]
    np.testing.assert_array_equal(found, rnnfast.LSTM(2, 3, seed=0)(x)[0])


FAULTS: dict[str, tuple[dict[str, Array], dict[str, str] | None, str, str]] = {
    "no word": (LSTM | HEAD, None, "", r"name the parts in the order .*\{'rnn': 'LSTM', 'head': 'Linear'\}"),
    "a layer alone": (HEAD, None, "", r"such as parts=\{'head': 'Linear'\}"),
    "no net": ({"a": np.ones(2, np.float32)}, None, "", "does not tell what its arrays belong to"),
    "prefix": (LSTM, None, "net.", "no array's name begins with 'net.': there are rnn.weight_ih_l0"),
    "left over": (LSTM | HEAD, {"rnn": "LSTM"}, "", "head.weight, head.bias belong to none of the parts"),
    "missing": (LSTM, {"rnn": "LSTM", "fc": "Linear"}, "", "fc.weight is missing"),
    "kind": (LSTM, {"rnn": "GRU"}, "", r"rnn.weight_hh_l0 has shape \(12, 3\), expected \(3 · H, H\)"),
    "layer": (LSTM, {"rnn": "Linear"}, "", "rnn.weight is missing, expected the two axes of a Linear's weight"),
    "axes": (
        {"a.weight": np.ones(3, np.float32)},
        {"a": "Linear"},
        "",
        r"a.weight is of shape \(3,\), expected the two",
    ),
    "projection": (
        LSTM | {"rnn.weight_hr_l0": np.ones((2, 3), np.float32)},
        {"rnn": "LSTM"},
        "",
        "proj_size is 3, expected less than hidden_size, 3",
    ),
    "one layer too few": (
        {name.replace("_l0", "_l2") if "bias" in name else name: array for name, array in LSTM.items()},
        {"rnn": "LSTM"},
        "",
        "rnn.bias_ih_l2, rnn.bias_hh_l2: no parameters",
    ),
    "shapes": (
        LSTM | {"rnn.bias_ih_l0": np.ones(3, np.float32)},
        {"rnn": "LSTM"},
        "",
        r"part 'rnn': arrays and options do not fit: bias_ih_l0 has shape \(3,\)",
    ),
    "empty": ({"a.weight_hh_l0": np.ones((0, 0)), "a.weight_ih_l0": np.ones((0, 2))}, {"a": "GRU"}, "", "has shape"),
    "chain": (LSTM | HEAD, {"head": "Linear", "rnn": "LSTM"}, "", "rnn takes 2 features, expected 1, which head"),
    "whole numbers": ({"a.weight": np.ones((2, 3), np.int8)}, {"a": "Linear"}, "", "int8"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_refused(fault: str, tmp_path: Path) -> None:
    arrays, parts, prefix, words = FAULTS[fault]
    files.save(tmp_path / "model.npz", arrays)
    with pytest.raises(ValueError, match=rf"^{tmp_path / 'model.npz'}[:,] .*{words}"):
        rnnfast.load_model(tmp_path / "model.npz", parts=parts, prefix=prefix)


def test_the_library_s_own_files_are_converted_where_asked(tmp_path: Path) -> None:
    model = rnnfast.nn.Sequential(net=rnnfast.GRU(2, 3, seed=0), head=rnnfast.nn.Linear(3, 1, seed=1))
    model.set_initial_state("net", np.ones((1, 3), np.float32))
    model.save(tmp_path / "model.npz")
    wide = rnnfast.load_model(tmp_path / "model.npz", dtype="float64")
    assert wide.initial_states["net"].dtype == np.float64
    x = np.ones((4, 2))
    np.testing.assert_allclose(wide(x)[0], model(x.astype(np.float32))[0], rtol=1e-5)
    with pytest.raises(ValueError, match="this file of rnnfast tells its parts: leave them out"):
        rnnfast.load_model(tmp_path / "model.npz", prefix="net.")


def test_a_projected_lstm_is_known_by_its_arrays() -> None:
    net = rnnfast.LSTM(3, 8, num_layers=2, proj_size=5, seed=0)
    found = content(net.state_dict(), None)
    assert found.parts[0]["kind"] == "LSTM"
    options = found.parts[0]["options"]
    assert (options["hidden_size"], options["proj_size"], options["num_layers"]) == (8, 5, 2)
    wrong = net.state_dict() | {"weight_hh_l0": np.zeros((31, 5), np.float32)}
    with pytest.raises(ValueError, match=r"weight_hh_l0 has shape \(31, 5\), expected \(4 · H, P\)"):
        content(wrong, None)
