"""Values of the wrong kind: every one gets an error of ours that names it, none a raw one from further down."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nets import CELLS, EVERY_KIND, KINDS

import rnnfast
from rnnfast import nn

I, H = 3, 4  # noqa: E741 (I is the input size)
X = np.zeros((5, 2, I), np.float32)


def fails(kind: type[Exception], message: str) -> Any:
    """The `with` block raises exactly this error with these words at the start of its message."""
    return pytest.raises(kind, match=f"^{re.escape(message)}")


@pytest.mark.parametrize("wrong", [3, ["c"], b"c", True, {}])
def test_backends_are_named_by_strings(wrong: Any) -> None:
    kind = type(wrong).__name__
    with fails(TypeError, f"backend= must be the name of a backend, such as 'c', got {kind}"):
        rnnfast.LSTM(I, H, backend=wrong)
    with fails(TypeError, "use_backend must be the name of a backend"), rnnfast.use_backend(wrong):
        pass
    net = rnnfast.LSTM(I, H)
    net.backend = wrong
    with fails(TypeError, "backend= must be the name of a backend"):
        net(X)


def test_half_a_name_is_no_backend() -> None:
    for name in ("", ":", "reference:", "c:"):
        with pytest.raises((ValueError, RuntimeError), match="names no|cannot run"):
            rnnfast.LSTM(I, H, backend=name)


SEEDED: dict[str, Callable[[Any], object]] = {
    "RNN": lambda seed: rnnfast.RNN(I, H, seed=seed),
    "LSTMCell": lambda seed: rnnfast.LSTMCell(I, H, seed=seed),
    "Linear": lambda seed: nn.Linear(I, H, seed=seed),
    "Embedding": lambda seed: nn.Embedding(I, H, seed=seed),
}


@pytest.mark.parametrize("name", SEEDED)
def test_seeds(name: str) -> None:
    for wrong in ("a", 1.5, True, [1, 2], np.random.default_rng(0)):
        with fails(TypeError, f"seed must be a whole number, got {type(wrong).__name__}"):
            SEEDED[name](wrong)
    for bad in (-1, 2**64):
        with fails(ValueError, f"seed is {bad}, expected 0 to {2**64 - 1}"):
            SEEDED[name](bad)
    for good in (None, 0, 2**64 - 1, np.uint64(7)):
        SEEDED[name](good)


def test_dropout_seeds() -> None:
    net = KINDS["lstm"](I, H)
    for wrong in ("a", 1.5, True):
        with fails(TypeError, f"dropout_seed must be a whole number, got {type(wrong).__name__}"):
            net.record(X, dropout_seed=wrong)


def test_forget_bias() -> None:
    for make in (KINDS["lstm"], CELLS["lstm"]):
        for wrong in ("x", [1, 2], np.ones(4), np.ones(()), True, 1j):
            with fails(TypeError, f"forget_bias must be a finite number of float32, got {type(wrong).__name__}"):
                make(I, H, forget_bias=wrong)
        for bad in (float("nan"), float("inf"), 1e39, 10**400):
            with fails(ValueError, f"forget_bias is {bad}, expected a finite number of float32"):
                make(I, H, forget_bias=bad)
        for good in (1, -0.5, np.float32(2)):
            make(I, H, forget_bias=good)
    rnnfast.LSTM(I, H, forget_bias=1e39, dtype="float64")


@pytest.mark.parametrize("wrong", ["bogus", "f4,(", 7, "", np.float16, "i4,f4", object()])
def test_dtypes(wrong: Any) -> None:
    for make in (KINDS["gru"], CELLS["gru"], nn.Linear, nn.Embedding):
        with fails(TypeError, f"dtype is {wrong!r}, expected 'float32' or 'float64'"):
            make(I, H, dtype=wrong)


def test_options_that_are_no_strings() -> None:
    for wrong in (3, None, np.array(["zero", "hold"])):
        with fails(TypeError, f"masked_output must be one of 'zero', 'hold', got {type(wrong).__name__}"):
            KINDS["lstm"](I, H, masked_output=wrong)
        with fails(TypeError, "nonlinearity must be one of 'tanh', 'relu', 'linear'"):
            KINDS["rnn"](I, H, nonlinearity=wrong)


@pytest.mark.parametrize("wrong", ["x", 1, 0, None, [True]])
@EVERY_KIND
def test_switches_of_calls(kind: str, wrong: Any) -> None:
    net, said = KINDS[kind](I, H), f"must be True or False, got {type(wrong).__name__}"
    tape = net.record(X, train=np.True_)[2]
    for name in ("train", "keep"):
        with fails(TypeError, f"{name} {said}"):
            net.record(X, **{name: wrong})
    for name in ("need_x", "accumulate"):
        with fails(TypeError, f"{name} {said}"):
            tape.backward(**{name: wrong})
    with fails(TypeError, f"keep {said}"):
        CELLS[kind](I, H).record(X[0], keep=wrong)
    tape.backward()


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_what_is_passed_for_an_array() -> None:
    net = KINDS["gru"](I, H)
    matrix = np.asmatrix(X[0])
    for call in (net, net.record, CELLS["gru"](I, H), net.stream(2).step):
        with fails(TypeError, "x is None, expected an array"):
            call(None)
        with fails(TypeError, "x is a np.matrix, which stays 2-D"):
            call(matrix)
    for wrong in (np.asmatrix(np.zeros((2, H), np.float32)), np.ma.zeros((2, H), np.float32)):
        with pytest.raises(TypeError, match="^out is a"):
            net(matrix.A, out=wrong)
    with fails(TypeError, "x has dtype object, this GRU computes in float32: pass an array of float32 numbers"):
        net([[None]])


@pytest.mark.parametrize("wrong", [None, [], "abc", 3, np.zeros(3)])
def test_state_dicts_and_gradients_are_mappings(wrong: Any) -> None:
    kind = type(wrong).__name__
    with fails(TypeError, f"parameters must come as a mapping from name to array, such as a state dict, got {kind}"):
        KINDS["gru"](I, H).load_state_dict(wrong)
    for call in (nn.Adam, lambda grads: nn.clip_grad_norm(grads, 1.0), nn.Adam({}).step):
        with pytest.raises(TypeError, match=f"must be a mapping from parameter name to array, got {kind}"):
            call(wrong)


def test_names_of_no_parameter() -> None:
    parameters = KINDS["gru"](I, H).parameters
    with pytest.raises(KeyError, match="this GRU has no parameter 'nope', only weight_ih_l0, "):
        parameters["nope"] = np.zeros(3)
    assert "nope" not in parameters and parameters.get("nope") is None
    tape = KINDS["gru"](I, H).record(X)[2]
    with pytest.raises(ValueError, match=r"of no parameter \[1, 'a'\]"):
        tape.backward(out={1: X, "a": X})


@pytest.mark.parametrize("wrong", [None, 3, b"x.npz"])
def test_paths(wrong: Any, tmp_path: Path) -> None:
    net = KINDS["gru"](I, H)
    for use in (net.save, net.load):
        with fails(TypeError, f"path must be a str or a path, got {type(wrong).__name__}"):
            use(wrong)


def test_a_file_that_cannot_be_written_is_named_as_it_was_given(tmp_path: Path) -> None:
    net, file = KINDS["gru"](I, H), tmp_path / "file"
    file.write_bytes(b"")
    (tmp_path / "folder.npz").mkdir()
    for path in (tmp_path / "nodir" / "x.npz", file / "x.npz", tmp_path / "folder.npz"):
        with pytest.raises(OSError) as raised:
            net.save(path)
        assert raised.value.filename == str(path) and ".part" not in str(raised.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.npz"]


@pytest.mark.parametrize("setting", ["lr", "eps"])
def test_settings_of_adam(setting: str) -> None:
    for wrong in ("x", None, True):
        with fails(TypeError, f"{setting} must be a finite number above 0, got {type(wrong).__name__}"):
            nn.Adam({}, **{setting: wrong})
    for bad in (0.9, (0.9,), "ab", None):
        with pytest.raises((ValueError, TypeError), match="^betas"):
            nn.Adam({}, betas=bad)  # type: ignore[arg-type]
