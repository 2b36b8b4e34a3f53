"""Calls of the modules: states handed on and left out, results into given arrays, dropout, what options change."""

from __future__ import annotations

import numpy as np
from nets import EVERY_KIND, KINDS, assert_same, map_state, normal, parts, states
from sequences import OPTIONS, B, H, I, T


@EVERY_KIND
def test_chunks_that_hand_on_the_state(kind: str) -> None:
    net, x = KINDS[kind](I, H, num_layers=2, **OPTIONS), normal(T, B, I)
    y, final = net(x)
    first, state = net(x[:3])
    second, state = net(x[3:], state)
    assert_same((np.concatenate([first, second]), state), (y, final))


@EVERY_KIND
def test_state_defaults_to_zeros(kind: str) -> None:
    net, x = KINDS[kind](I, H, **OPTIONS), normal(T, B, I)
    zeros = map_state(np.zeros_like, states(kind, 1, B, H))
    assert_same(net(x), net(x, zeros))
    if kind == "lstm":
        assert_same(net(x, (None, zeros[1])), net(x))


@EVERY_KIND
def test_out_takes_y_even_where_it_overlaps_an_input(kind: str) -> None:
    net, x, state = KINDS[kind](H, H, num_layers=2, **OPTIONS), normal(T, B, H), states(kind, 2, B, H)
    expected, final = net(x, state)
    out = x.copy()
    y, _ = net(out, state, out=out)
    assert y is out
    assert_same(y, expected)
    buffer = np.empty((T, B, H))
    start = buffer[:2]
    start[...] = parts(state)[0]
    overlapping = (start, state[1]) if kind == "lstm" else start
    assert_same(net(x, overlapping, out=buffer), (expected, final))
    strided_out = np.zeros((B, 2 * T, H + 2))[:, ::-2, 1:-1].swapaxes(0, 1)
    assert_same(net(x, state, out=strided_out)[0], expected)


def test_dropout_applies_in_training_only() -> None:
    net, x = KINDS["gru"](I, H, 2, dropout=0.5, input_dropout=0.4, recurrent_dropout=0.3, **OPTIONS), normal(T, B, I)
    y, _ = net(x)
    assert_same(net.record(x, train=False)[0], y)
    assert not np.allclose(net.record(x)[0], y)


def test_dropout_seeds() -> None:
    first, second = (KINDS["lstm"](I, H, 2, dropout=0.5, **OPTIONS) for _ in range(2))
    x = normal(T, B, I)
    ys = [first.record(x)[0] for _ in range(3)]
    assert not np.allclose(ys[0], ys[1]) and not np.allclose(ys[1], ys[2])
    for y in ys:  # the same seed draws the same masks, one after the other
        got, _, tape = second.record(x)
        assert_same(got, y)
        assert_same(first.record(x, dropout_seed=tape.dropout_seed)[0], y)
    highest = first.record(x, dropout_seed=2**64 - 1)[0]
    assert_same(first.record(x, dropout_seed=2**64 - 1)[0], highest)
    assert first.record(x)[2].dropout_seed == second.record(x)[2].dropout_seed  # a given seed advances nothing


def test_nonlinearities_and_reset_gates_differ() -> None:
    x = normal(T, B, I)
    ys = [KINDS["rnn"](I, H, nonlinearity=f, **OPTIONS)(x)[0] for f in ("tanh", "relu", "linear")]
    assert np.abs(ys[0]).max() < 1 and ys[1].min() == 0 and ys[2].min() < 0 and not np.allclose(ys[0], ys[2])
    assert not np.allclose(KINDS["gru"](I, H, **OPTIONS)(x)[0], KINDS["gru_before"](I, H, **OPTIONS)(x)[0])
