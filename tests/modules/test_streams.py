"""Streams and frozen nets: they say the same as calls of the net, and keep what they hold."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from nets import BACKEND, EVERY_KIND, KINDS, assert_same, normal, states
from sequences import OPTIONS, SEQUENCE_OPTIONS, B, H, I, T

from rnnfast.problem import Array


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


@EVERY_KIND
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("backend", [BACKEND, "reference"])
def test_a_chunk_is_as_many_steps(kind: str, batch_first: bool, backend: str) -> None:
    net = KINDS[kind](I, H, num_layers=2, batch_first=batch_first, **OPTIONS)
    net.backend = backend
    fast, x = net.freeze(), normal(T, B, I)
    stepped, run = fast.stream(B), fast.stream(B)
    expected, out = np.stack([stepped.step(step) for step in x]), np.full((T, B, H), np.nan)

    def turned(array: Array) -> Array:
        return array.swapaxes(0, 1) if batch_first else array

    run.run(turned(x[:2]), turned(out[:2]))
    out[2:] = turned(run.run(turned(x[2:])))
    assert_same(out, expected)
    assert_same(run.state, stepped.state)
    alone = fast.stream()
    assert_same(alone.run(x[:, 1]), expected[:, 1])


def test_a_chunk_of_no_steps_leaves_the_state_alone() -> None:
    stream = KINDS["lstm"](I, H, **OPTIONS).stream(B)
    stream.step(normal(B, I))
    before = stream.state
    assert stream.run(np.empty((0, B, I))).shape == (0, B, H)
    assert_same(stream.state, before)


def test_chunks_that_do_not_fit_are_refused() -> None:
    stream = KINDS["lstm"](I, H, **OPTIONS).stream(B)
    before = stream.state
    with pytest.raises(ValueError, match=f"chunk has {B + 1} rows, this stream was made for {B}"):
        stream.run(normal(T, B + 1, I))
    with pytest.raises(ValueError, match="x has 9 features"):
        stream.run(normal(T, B, 9))
    with pytest.raises(ValueError, match="out has shape"):
        stream.run(normal(T, B, I), np.empty((T, B, H + 1)))
    assert_same(stream.state, before)


def test_outputs_may_lie_on_inputs_and_anywhere() -> None:
    net = KINDS["lstm"](H, H, **OPTIONS)
    x, stream, other = normal(T, B, H), net.stream(B), net.stream(B)
    expected = np.stack([stream.step(step) for step in x])
    wide = np.full((B, 2 * H), np.nan)
    np.testing.assert_array_equal(other.step(x[0], wide[:, 1 : H + 1]), expected[0])
    assert np.isnan(wide[:, 0]).all() and np.isnan(wide[:, H + 1 :]).all()
    step = x[1].copy()
    assert other.step(step, step) is step
    np.testing.assert_array_equal(step, expected[1])
    rest = x[2:].copy()
    np.testing.assert_array_equal(other.run(rest, rest), expected[2:])


@pytest.mark.parametrize("backend", [BACKEND, "reference"])
def test_an_input_may_lie_on_the_output_by_any_way(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = KINDS["rnn"](H, H, **OPTIONS)
    net.backend = backend
    y = normal(B, H)
    stream, other = net.stream(len(y)), net.stream(len(y))
    flipped = np.frombuffer(memoryview(y).cast("B"), y.dtype).reshape(y.shape)[::-1]
    expected, run = other.step(flipped.copy()), stream.steps.run

    def apart(x: Array, y: Array) -> None:
        assert not np.shares_memory(x, y)  # whether it would matter depends on threads and tiles
        run(x, y)

    monkeypatch.setattr(stream.steps, "run", apart)
    np.testing.assert_array_equal(stream.step(flipped, y), expected)


@pytest.mark.parametrize("backend", [BACKEND, "reference"])
def test_a_stream_is_one_threads_at_a_time(backend: str) -> None:
    net = KINDS["lstm"](256, 256, **OPTIONS)
    net.backend = backend
    stream, x = net.stream(), normal(1000, 256)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with stream._steps.held():
            held.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    uses = (
        lambda: stream.step(x[0]),
        lambda: stream.step(x[:1, ::-1]),
        lambda: stream.run(x),
        lambda: stream.state,
        lambda: setattr(stream, "state", None),
        stream.reset,
        stream.copy,
    )
    for use in uses:
        with pytest.raises(RuntimeError, match="used by another thread: give each thread a stream of its own"):
            use()
    done.set()
    thread.join()
    assert stream.step(x[0]).shape == (256,)
