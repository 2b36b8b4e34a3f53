"""Parts that say which steps count: masked ones, reversed ones, the last; alone, in models, in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handles import Rows, loaded
from nets import BACKEND

import rnnfast
from rnnfast import nn
from rnnfast.backends.c import backend as c
from rnnfast.problem import Array

T, B, I, H = 7, 3, 2, 4  # noqa: E741 (the size of the input)


def net(kind: Any = rnnfast.LSTM, inputs: int = I, **options: Any) -> Any:
    return kind(inputs, H, seed=1, dtype="float64", backend=BACKEND, **options)


@pytest.fixture
def x(rng: np.random.Generator) -> Array:
    made = rng.standard_normal((T, B, I))
    made[5:, 0] = 0.5
    made[2, 1] = 0.5
    return made


@pytest.mark.parametrize("bidirectional", [False, True])
def test_masking_is_the_mask_that_it_computes(bidirectional: bool, x: Array) -> None:
    rnn = net(bidirectional=bidirectional)
    model = nn.Sequential(mask=nn.Masking(0.5), net=rnn)
    live = (x != 0.5).any(-1)
    assert not live.all()
    np.testing.assert_array_equal(model(x)[0], rnn(x, mask=live)[0])
    given = np.arange(T)[:, None] < [7, 4, 7]
    np.testing.assert_array_equal(model(x, mask=given)[0], rnn(x, mask=live & given)[0])
    np.testing.assert_array_equal(model(x, lengths=[7, 4, 7])[0], rnn(x, mask=live & given)[0])
    np.testing.assert_array_equal(model(x[:, 0])[0], rnn(x[:, 0], mask=live[:, 0])[0])
    with pytest.raises(ValueError, match=r"mask has shape \(3,\), expected \(7, 3\)"):
        model(x, mask=given[0])


def test_masking_of_indices() -> None:
    table = nn.Embedding(5, I, dtype="float64", seed=0)
    rnn = net(rnnfast.GRU, masked_output="hold")
    model = nn.Sequential(mask=nn.Masking(), table=table, net=rnn)
    index = np.array([[1, 2], [0, 3], [4, 0], [0, 0]])
    np.testing.assert_array_equal(model(index)[0], rnn(table(index), mask=index != 0)[0])
    model.parts["mask"] = nn.Masking(99)  # which no row of the table is, nor need be
    assert model(np.array([[1, 2], [99, 3]]))[0].shape == (2, 2, H)


def test_reverse_turns_all_that_has_an_order(x: Array) -> None:
    rnn = net()
    model = nn.Sequential(turn=nn.Reverse(), net=rnn)
    np.testing.assert_array_equal(model(x)[0], rnn(x[::-1].copy())[0])
    live = np.arange(T)[:, None] < [7, 4, 2]
    mask = x[..., 0] > 0
    np.testing.assert_array_equal(model(x, lengths=[7, 4, 2])[0], rnn(x[::-1], mask=live[::-1])[0])
    both = model(x, lengths=np.array([7, 4, 2]), mask=mask)[0]
    np.testing.assert_array_equal(both, rnn(x[::-1], mask=(live & mask)[::-1])[0])
    np.testing.assert_array_equal(model(x[:, 1], lengths=4)[0], rnn(x[::-1, 1], mask=live[::-1, 1])[0])
    with pytest.raises(ValueError, match="resets are given to a model that reverses its sequences"):
        model(x, resets=mask)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_last_is_the_last_output_of_each_direction(bidirectional: bool, x: Array) -> None:
    rnn = net(bidirectional=bidirectional, masked_output="hold")
    model = nn.Sequential(net=rnn, last=nn.Last(), out="tanh")
    _, (h, _) = rnn(x, lengths=[7, 4, 2])
    np.testing.assert_array_equal(model(x, lengths=[7, 4, 2])[0], np.tanh(np.concatenate(list(h), -1)))
    assert model(x[:, 0])[0].shape == (H * (1 + bidirectional),)
    with pytest.raises(ValueError, match="x has no step, expected at least one"):
        model(x[:0])


def test_streams_give_every_step() -> None:
    model = nn.Sequential(net=net(), last=nn.Last(), out="tanh")
    x = np.ones((T, 1, I))
    y = model.stream().run(x)
    assert y.shape == (T, 1, H)
    np.testing.assert_allclose(y[-1], model(x)[0], rtol=1e-13)
    for part in (nn.Masking(), nn.Reverse()):
        with pytest.raises(ValueError, match=f"first is a {type(part).__name__}, a stream sees a step at a time"):
            nn.Sequential(first=part, net=net()).stream()


def test_where_they_cannot_stand() -> None:
    for parts, words in (
        ({"last": nn.Last(), "net": net()}, "last is a Last, expected it behind an RNN, LSTM or GRU"),
        ({"net": net(), "a": "tanh", "last": nn.Last()}, "last is a Last, expected it behind"),
        ({"net": net(), "last": nn.Last(), "net2": net(inputs=H)}, "net2 goes over steps, of which there are none"),
        ({"net": net(), "last": nn.Last(), "turn": nn.Reverse()}, "turn goes over steps, of which there are none"),
        ({"net": net(batch_first=True), "last": nn.Last()}, r"batch_first in a model with Last or Reverse"),
        ({"turn": nn.Reverse(), "net": net(batch_first=True)}, r"batch_first in a model with Last or Reverse"),
        ({"a": "tanh", "table": nn.Embedding(3, 2)}, "table is an Embedding, which takes indices"),
    ):
        with pytest.raises(ValueError, match=words):
            nn.Sequential(**parts)
    with pytest.raises(TypeError, match="value is of type str, expected a number"):
        nn.Masking("0")  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_files(suffix: str, tmp_path: Path, x: Array) -> None:
    if suffix == "safetensors":
        pytest.importorskip("safetensors", reason="safetensors is not installed")
    path = tmp_path / f"model.{suffix}"
    nn.Sequential(net=net(), last=nn.Last(), out="tanh").save(path)
    model = rnnfast.load_model(path, backend=BACKEND)
    assert list(model.parts) == ["net", "last", "out"]
    assert model(x)[0].shape == (B, H)


@pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))
def test_c_gives_the_outputs_of_all_steps(tmp_path: Path, x: Array) -> None:
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    model = nn.Sequential(net=net(), last=nn.Last(), out="tanh")
    model.save(tmp_path / "model.safetensors")
    rows = Rows(loaded((tmp_path / "model.safetensors").read_bytes()), B, np.float64)
    steps = [rows.step(step) for step in x]
    np.testing.assert_allclose(steps[-1], model(x)[0], rtol=1e-12)


def test_what_c_cannot_run_is_kept_for_python_alone(tmp_path: Path, x: Array) -> None:
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    model = nn.Sequential(mask=nn.Masking(0.5), turn=nn.Reverse(), net=net(bidirectional=True), last=nn.Last())
    model.save(tmp_path / "model.npz")
    other = rnnfast.load_model(tmp_path / "model.npz", backend=BACKEND)
    assert repr(other) == repr(model)
    np.testing.assert_array_equal(other(x)[0], model(x)[0])
    for name, what in (("mask", "a Masking"), ("turn", "a Reverse"), ("last", "the last of a bidirectional part")):
        with pytest.raises(ValueError, match=f"{name} is {what}, C sees a step at a time: save an .npz"):
            model.save(tmp_path / "model.safetensors")
        del model.parts[name]
    model.save(tmp_path / "model.safetensors")
