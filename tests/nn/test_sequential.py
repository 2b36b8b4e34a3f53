"""Models of several parts: called, streamed, saved and loaded as the parts themselves would be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nets import BACKEND, assert_same, normal

import rnnfast
from rnnfast import nn
from rnnfast.problem import Array

T, B, I, H = 6, 3, 4, 5  # noqa: E741 (I is the input size)


def model(**last: Any) -> nn.Sequential:
    """Two recurrent parts, a linear layer between them and one above, in float64."""
    kinds = {"dtype": "float64", "backend": BACKEND}
    return nn.Sequential(
        first=rnnfast.LSTM(I, H, 2, seed=0, **kinds),
        between=nn.Linear(H, H, dtype="float64", seed=1),
        second=rnnfast.GRU(H, H, seed=2, reset_after=False, **kinds),
        head=nn.Linear(H, 2, dtype="float64", seed=3),
        **last,
    )


def test_a_model_is_its_parts_in_turn() -> None:
    made, x, lengths = model(out="softmax"), normal(T, B, I), np.array([6, 2, 0])
    first, between, second, head, out = made.parts.values()
    y, state = first(x, lengths=lengths)
    z, other = second(between(y), lengths=lengths)
    found, states = made(x, lengths=lengths)
    assert_same(found, out(head(z)))
    assert_same(tuple(states), (state, other))
    assert_same(found.sum(axis=-1), np.ones((T, B)))
    half, states = made(x[:3])
    rest, _ = made(x[3:], states)
    assert_same(np.concatenate([half, rest]), made(x)[0])


def test_streams_say_the_same() -> None:
    made, x = model(), normal(T, B, I)
    y, states = made(x)
    stream, out = made.stream(B), np.empty((B, 2))
    assert_same(stream.step(x[0]), y[0])
    assert stream.step(x[1], out) is out
    assert_same(out, y[1])
    kept = stream.states
    assert_same(stream.run(x[2:]), y[2:])
    assert_same(tuple(stream.states), tuple(states))
    stream.states = kept
    assert_same(stream.step(x[2]), y[2])
    stream.reset()
    assert_same(stream.run(x), y)
    alone = made.stream()
    assert_same(alone.step(x[0, 0]), y[0, 0])


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_files_hold_all_of_a_model(suffix: str, tmp_path: Path) -> None:
    if suffix == ".safetensors":
        pytest.importorskip("safetensors", reason="safetensors is not installed")
    made, x = model(out="log_softmax"), normal(T, B, I)
    made.save(tmp_path / f"model{suffix}")
    again = rnnfast.load_model(tmp_path / f"model{suffix}", backend=BACKEND)
    assert repr(again) == repr(made)
    np.testing.assert_array_equal(again(x)[0], made(x)[0])
    nn.load(tmp_path / f"model{suffix}", strict=False, head=made.parts["head"])


def test_a_file_of_training_is_a_model(tmp_path: Path) -> None:
    made = model()
    nn.save(tmp_path / "all.npz", **made.parts, adam=nn.Adam(made.parameters), epoch=7)
    x = normal(T, B, I)
    np.testing.assert_array_equal(rnnfast.load_model(tmp_path / "all.npz", backend=BACKEND)(x)[0], made(x)[0])


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a model has no parts"):
        nn.Sequential()
    with pytest.raises(ValueError, match="one without a dot"):
        nn.Sequential(**{"a.b": "tanh"})
    with pytest.raises(ValueError, match="function"):
        nn.Sequential(a="gelu")
    with pytest.raises(TypeError, match="a is a Adam, expected an RNN"):
        nn.Sequential(a=nn.Adam(model().parameters))
    np.savez(tmp_path / "plain.npz", a=np.ones(2))
    with pytest.raises(ValueError, match="does not tell what its arrays belong to"):
        rnnfast.load_model(tmp_path / "plain.npz")
    nn.save(tmp_path / "cell.npz", cell=rnnfast.LSTMCell(2, 3))
    with pytest.raises(ValueError, match="cell.npz, part 'cell': holds a part of kind 'LSTMCell', expected RNN, LSTM"):
        rnnfast.load_model(tmp_path / "cell.npz")


@pytest.mark.parametrize("batch_first", [False, True])
def test_indices_at_steps_that_are_not_live_are_never_read(batch_first: bool) -> None:
    options = {"batch_first": batch_first, "backend": BACKEND}
    made = nn.Sequential(words=nn.Embedding(9, I, seed=1), gru=rnnfast.GRU(I, H, seed=2, **options))
    index, lengths = np.random.default_rng(0).integers(0, 9, (T, B)), np.array([T, 2, 0])
    mask = np.random.default_rng(1).random((T, B)) < 0.7
    wrong, late = index.copy(), np.arange(T)[:, None] >= lengths
    wrong[late | ~mask] = -7

    def turned(array: Array) -> Array:
        return array.T if batch_first else array

    expected, _ = made(turned(index), lengths=lengths, mask=turned(mask))
    assert_same(made(turned(wrong), lengths=lengths, mask=turned(mask))[0], expected)
    assert (wrong[late] == -7).all()
    alone, _ = made(index[:, 1], lengths=2)
    assert_same(made(np.where(np.arange(T) < 2, index[:, 1], 99), lengths=2)[0], alone)
    for rows in ({}, {"lengths": lengths}, {"mask": turned(mask)}):  # of which some that are live are wrong
        with pytest.raises(ValueError, match="index holds values from -7"):
            made(turned(wrong), **rows)
    for name, value in (("mask", mask[:2]), ("lengths", lengths[:2]), ("lengths", lengths + 0.5)):
        with pytest.raises((ValueError, TypeError), match=name):
            made(turned(index), **{name: value})


def test_parts_that_do_not_fit_each_other_are_refused() -> None:
    gru = rnnfast.GRU(I, H, bidirectional=True)
    with pytest.raises(ValueError, match=f"head takes {H} features, expected {2 * H}, which gru before it gives"):
        nn.Sequential(gru=gru, out="tanh", head=nn.Linear(H, 1))
    with pytest.raises(TypeError, match="head is of dtype float64, expected float32, as gru before it"):
        nn.Sequential(gru=gru, head=nn.Linear(2 * H, 1, dtype="float64"))
    with pytest.raises(ValueError, match="words is an Embedding, which takes indices, expected it to be the first"):
        nn.Sequential(gru=gru, words=nn.Embedding(9, 2))
    assert nn.Sequential(self="tanh").parts.keys() == {"self"}


def test_states_are_one_for_each_recurrent_part() -> None:
    made, x = model(), normal(T, B, I)
    _, states = made(x)
    stream = made.stream(B)
    expected = r"expected a list of 2, one for each recurrent part \(first, second\)"
    for given in ([], states[:1], [*states, None]):
        with pytest.raises(ValueError, match=f"states has {len(given)} entries, {expected}"):
            made(x, given)
        with pytest.raises(ValueError, match=f"states has {len(given)} entries, {expected}"):
            stream.states = given
    with pytest.raises(TypeError, match=f"states is of type ndarray, {expected}"):
        made(x, states[1])


@pytest.mark.parametrize("function", ["tanh", "relu", "sigmoid", "softmax", "log_softmax"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_activations_keep_the_dtype_and_what_is_no_number(function: str, dtype: str) -> None:
    x = np.array([[1000, -1000, 0.5], [np.nan, 0, 1]], dtype)
    y = nn.Activation(function)(x)
    assert y.dtype == x.dtype and y.shape == x.shape
    assert np.isnan(y[1, 0])
    assert np.isfinite(y[0]).all()
    if function.endswith("softmax"):
        assert np.isnan(nn.Activation(function)(np.array([[np.inf, 1, 2], [-np.inf] * 3], dtype))).all()


def exact(function: str, x: Array) -> Array:
    """The function of float64 numbers, in long double."""
    wide = x.astype(np.longdouble)
    if function == "sigmoid":
        return 1 / (1 + np.exp(-wide))
    if function in ("tanh", "relu"):
        return np.tanh(wide) if function == "tanh" else np.maximum(wide, 0)
    e = np.exp(wide - wide.max(axis=-1, keepdims=True))
    if function == "softmax":
        return e / e.sum(axis=-1, keepdims=True)
    e[np.arange(len(e)), e.argmax(axis=-1)] = 0
    return wide - wide.max(axis=-1, keepdims=True) - np.log1p(e.sum(axis=-1, keepdims=True))


@pytest.mark.parametrize("function", ["tanh", "relu", "sigmoid", "softmax", "log_softmax"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_activations_are_exact_in_both_tails(function: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    # Eighths below 100: their differences are numbers of either dtype, so that no rounding of x counts.
    x = (rng.integers(-320, 320, (20000, 2)) / 8).astype(dtype)
    y, expected = nn.Activation(function)(x), exact(function, x)
    ulp = np.spacing(np.abs(expected).astype(dtype)).astype(np.longdouble)
    assert float((np.abs(y - expected) / ulp).max()) <= 4
    assert (y[x < 0] > 0).all() or function in ("tanh", "relu", "log_softmax")


def test_softmax_of_float32_is_exact_where_differences_are_rounded() -> None:
    x = np.random.default_rng(0).uniform(-40, 40, (5000, 3)).astype(np.float32)
    for function in ("softmax", "log_softmax"):
        expected = exact(function, x)
        ulp = np.spacing(np.abs(expected).astype(np.float32)).astype(np.longdouble)
        assert float((np.abs(nn.Activation(function)(x) - expected) / ulp).max()) <= 4
