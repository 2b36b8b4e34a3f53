"""Streams and frozen nets: they say the same as calls of the net, and keep what they hold."""

from __future__ import annotations

import numpy as np
import pytest
from nets import EVERY_KIND, KINDS, assert_same, normal, states
from sequences import OPTIONS, SEQUENCE_OPTIONS, B, H, I, T


@EVERY_KIND
def test_stream_says_the_same(kind: str) -> None:
    net, x = KINDS[kind](I, H, num_layers=2, **OPTIONS), normal(T, B, I)
    y, final = net(x)
    stream, out = net.stream(batch=B), np.empty((B, H))
    for t in range(T):
        if t % 2:
            assert_same(stream.step(x[t]), y[t])
        else:
            assert stream.step(x[t], out=out) is out
            assert_same(out, y[t])
    assert_same(stream.state, final)


@EVERY_KIND
def test_stream_of_one_sequence(kind: str) -> None:
    net, x = KINDS[kind](I, H, **OPTIONS), normal(T, I)
    stream = net.stream()
    assert_same(np.stack([stream.step(x[t]) for t in range(T)]), net(x)[0])
    assert stream.step(x[:1]).shape == (1, H)


def test_stream_state_and_reset() -> None:
    net, x = KINDS["lstm"](I, H, **OPTIONS), normal(3, B, I)
    stream = net.stream(batch=B)
    zeros = stream.state
    assert not any(part.any() for part in zeros)
    stream.step(x[0])
    kept = stream.state
    first = stream.step(x[1])
    stream.state = kept
    assert_same(stream.step(x[1]), first)
    after = stream.state
    stream.reset(np.array([True, False, True, False]))
    for part, before in zip(stream.state, after, strict=True):
        assert not part[:, ::2].any()
        assert_same(part[:, 1::2], before[:, 1::2])
    stream.reset()
    assert_same(stream.state, zeros)
    stream.state = None
    assert_same(stream.state, zeros)


def test_stream_state_after_an_error_is_as_it_was() -> None:
    stream = KINDS["gru"](I, H, **OPTIONS).stream()
    stream.step(normal(1, I))
    before = stream.state
    with pytest.raises(ValueError, match="x has shape"):
        stream.step(normal(1, I + 1))
    with pytest.raises(TypeError, match="out must be a NumPy array"):
        stream.step(normal(1, I), out=[0.0] * H)
    with pytest.raises(ValueError, match="state has shape"):
        stream.state = normal(1, 2, H)
    assert_same(stream.state, before)


@EVERY_KIND
def test_frozen_net_is_a_snapshot(kind: str) -> None:
    net, x = KINDS[kind](I, H, num_layers=2, bidirectional=True, **OPTIONS), normal(T, B, I)
    state = states(kind, 4, B, H)
    expected = net(x, state, **SEQUENCE_OPTIONS)
    fast = net.freeze()
    for name in net.parameters:
        net.parameters[name] += 1
    assert not np.allclose(net(x, state, **SEQUENCE_OPTIONS)[0], expected[0])
    out = np.empty_like(expected[0])
    y, final = fast(x, state, **SEQUENCE_OPTIONS, out=out)
    assert y is out
    assert_same((y, final), expected)
    with pytest.raises(ValueError, match="read-only"):
        fast.parameters["weight_hh_l0"] = np.zeros_like(net.parameters["weight_hh_l0"])
    with pytest.raises(AttributeError):
        fast.parameters = net.parameters
