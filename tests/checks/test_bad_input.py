"""Bad input of a call: nothing crashes, nothing is silently reshaped or cast, and every message says what is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bad_values import SWAPPED, B, H, I, T, X, fails, lstm, zeros
from nets import CELLS, EVERY_KIND, KINDS, normal, states


@EVERY_KIND
def test_features(kind: str) -> None:
    net, name = KINDS[kind](I, H), kind.split("_")[0].upper()
    with fails(ValueError, f"x has 12 features, this {name} was made for 10"):
        net(zeros(T, B, 12))
    with fails(ValueError, f"x has 12 features, this {name}Cell was made for 10"):
        CELLS[kind](I, H)(zeros(B, 12))


@EVERY_KIND
def test_rank(kind: str) -> None:
    for shape in ((), (I,), (1, T, B, I)):
        with fails(ValueError, f"x has shape {shape}, expected (T, B, 10) or, without a batch axis, (T, 10)"):
            KINDS[kind](I, H)(zeros(*shape))
        with fails(ValueError, f"x has shape {shape}, expected (B, T, 10) or, without a batch axis, (T, 10)"):
            KINDS[kind](I, H, batch_first=True).record(zeros(*shape))
    for shape in ((), (T, B, I)):
        with fails(ValueError, f"x has shape {shape}, expected (B, 10) or, without a batch axis, (10,)"):
            CELLS[kind](I, H)(zeros(*shape))


@pytest.mark.parametrize(
    "dtype", ["float64", "float16", "int32", "bool", "complex64", "longdouble", object, "U3", "V4"]
)
@EVERY_KIND
def test_x_of_another_dtype(kind: str, dtype: Any) -> None:
    wrong = np.zeros((T, B, I), dtype)
    for call in (KINDS[kind](I, H), KINDS[kind](I, H).record, KINDS[kind](I, H).freeze()):
        with fails(TypeError, "x has dtype"):
            call(wrong)
    with fails(TypeError, "x has dtype"):
        KINDS[kind](I, H).stream(B).step(wrong[0])
    with fails(TypeError, "x has dtype"):
        CELLS[kind](I, H)(wrong[0])


def test_mixed_dtypes_say_what_to_do() -> None:
    with fails(
        TypeError, "float64, this LSTM computes in float32: convert it with .astype('float32'), or make the LSTM"
    ):
        lstm()(X.astype(np.float64))
    with fails(TypeError, "x has dtype float32, this GRU computes in float64"):
        KINDS["gru"](I, H, dtype="float64")(X)
    with fails(TypeError, "x has dtype float64"):
        lstm()(X.tolist())


def test_byte_order() -> None:
    with fails(TypeError, f"x has dtype '{SWAPPED.str}', not this machine's byte order"):
        lstm()(X.astype(SWAPPED))
    _, _, tape = lstm().record(X)
    with fails(TypeError, "dy has dtype"):
        tape.backward(zeros(T, B, H).astype(SWAPPED))
    with fails(TypeError, "lengths has dtype"):
        lstm()(X, lengths=np.full(B, T).astype(np.dtype(np.int64).newbyteorder()))


def test_what_is_no_array() -> None:
    for wrong in (None, object(), {"x": 1}, "x", [[None]]):
        with pytest.raises(TypeError, match=r"^x "):
            lstm()(wrong)
    with fails(ValueError, "x is not a rectangular array"):
        lstm()([[1.0, 2.0], [3.0]])
    with fails(TypeError, "x is a masked array"):
        lstm()(np.ma.masked_less(X, 0))


@EVERY_KIND
def test_states(kind: str) -> None:
    net, cell, name = KINDS[kind](I, H, 2), CELLS[kind](I, H), kind.split("_")[0].upper()
    _, _, tape = net.record(X, keep=True)
    if kind == "lstm":
        h = zeros(2, B, H)
        with fails(TypeError, "state is of type ndarray, this LSTM has two states: pass the tuple (h, c)"):
            net(X, h)
        with fails(ValueError, "state has 3 parts, this LSTM has two states: pass the tuple (h, c)"):
            net(X, (h, h, h))
        with fails(TypeError, "d_state is of type ndarray"):
            tape.backward(d_state=h)
        with fails(ValueError, f"state[1] has shape (1, 4, 6), expected {(2, B, H)}"):
            net(X, (h, h[:1]))
        with fails(TypeError, "d_state[1] has dtype float64"):
            tape.backward(d_state=(h, h.astype(np.float64)))
        return
    with fails(TypeError, f"state is of type tuple, this {name} has one state: pass the array h"):
        net(X, (zeros(2, B, H),))
    for shape in ((2, B, H + 1), (1, B, H), (B, H), (B, 2, H)):
        with fails(ValueError, f"state has shape {shape}, expected (2, 4, 6)"):
            net(X, zeros(*shape))
        with fails(ValueError, f"d_state has shape {shape}, expected (2, 4, 6)"):
            tape.backward(d_state=zeros(*shape))
    with fails(ValueError, "state has shape (2, 4, 6), expected (2, 6)"):
        net(X[:, 0], zeros(2, B, H))
    with fails(ValueError, "state has shape (1, 4, 6), expected (4, 6)"):
        cell(X[0], zeros(1, B, H))
    with fails(TypeError, "state has dtype float64, this"):
        net(X, np.zeros((2, B, H)))


def test_lengths() -> None:
    net = lstm()
    for bad in ([T + 1, 1, 1, 1], [-1, 1, 1, 1], np.array([2**64 - 1, 0, 0, 0], np.uint64)):
        low, high = np.min(bad), np.max(bad)
        with fails(ValueError, f"lengths go from {low} to {high}, expected 0 to {T}"):
            net(X, lengths=bad)
    for shape in ((B + 1,), (B, 1), ()):
        with fails(ValueError, f"lengths has shape {shape}, expected (4,)"):
            net(X, lengths=np.ones(shape, int))
    for wrong in ([1.0] * B, [True] * B, ["1"] * B):
        with fails(TypeError, "lengths has dtype"):
            net(X, lengths=wrong)
    for kind in (np.uint8, np.int16, np.uint64):
        np.testing.assert_array_equal(net(X, lengths=np.arange(B, dtype=kind))[0], net(X, lengths=range(B))[0])


@pytest.mark.parametrize("name", ["mask", "resets"])
def test_flags(name: str) -> None:
    net, first = lstm(), lstm(batch_first=True)
    for shape in ((B, T), (T,), (T, B, 1), (T, B + 1)):
        with fails(ValueError, f"{name} has shape {shape}, expected (7, 4)"):
            net(X, **{name: np.ones(shape, bool)})
    with fails(ValueError, f"{name} has shape (4, 7), expected (7, 4)"):
        first(X, **{name: np.ones((B, T), bool)})
    with fails(ValueError, f"{name} has shape (7, 1), expected (7,)"):
        net(X[:, 0], **{name: np.ones((T, 1), bool)})
    for kind in (int, np.float32, np.int8, object):
        with fails(TypeError, f"{name} has dtype"):
            net(X, **{name: np.ones((T, B), kind)})


@EVERY_KIND
def test_dy(kind: str) -> None:
    _, _, tape = KINDS[kind](I, H).record(X)
    for shape in ((T, B, H + 1), (T, B), (B, T, H)):
        with fails(ValueError, f"dy has shape {shape}, expected (7, 4, 6)"):
            tape.backward(zeros(*shape))
    with fails(TypeError, "dy has dtype float64"):
        tape.backward(np.zeros((T, B, H)))
    tape.backward(zeros(T, B, H))


def test_streams() -> None:
    for make in (lstm(bidirectional=True).stream, lstm(bidirectional=True).freeze().stream):
        with fails(ValueError, "this LSTM is bidirectional"):
            make()
    with fails(ValueError, "batch is 0, expected at least 1"):
        lstm().stream(batch=0)
    with fails(TypeError, "batch must be a whole number, got float"):
        lstm().stream(batch=1.0)
    stream = lstm().stream(batch=B)
    for shape in ((B, I + 1), (B + 1, I), (I,), (1, B, I)):
        with fails(ValueError, f"x has shape {shape}, expected (4, 10)"):
            stream.step(zeros(*shape))
    with fails(ValueError, "mask has shape (1,), expected (4,)"):
        stream.reset(np.ones(1, bool))
    with fails(TypeError, "mask has dtype int64"):
        stream.reset(np.ones(B, np.int64))
    with fails(ValueError, "out has shape (6,), expected (4, 6)"):
        stream.step(X[0], out=zeros(H))


@EVERY_KIND
def test_not_finite_numbers_stay_in_their_row(kind: str) -> None:
    net = KINDS[kind](I, H, 2, dtype="float64")
    x, state, dy = normal(T, B, I), states(kind, 2, B, H), normal(T, B, H)
    y, _, tape = net.record(x, state)
    dx = tape.backward(dy).x
    for bad in (np.nan, np.inf, -np.inf):
        x[2, 1] = bad
        y_bad, _, tape = net.record(x, state)
        dx_bad = tape.backward(dy).x
        others = [0, 2, 3]
        np.testing.assert_array_equal(y_bad[:, others], y[:, others])
        np.testing.assert_array_equal(dx_bad[:, others], dx[:, others])
        np.testing.assert_array_equal(y_bad[:2], y[:2])
        assert not np.isnan(bad) or np.isnan(y_bad[2:, 1]).all()
