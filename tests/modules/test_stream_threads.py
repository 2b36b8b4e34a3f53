"""Streams and the number of threads: they follow what is set, at the same bits, and keep nothing of before."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from nets import normal

import rnnfast
from rnnfast.backends.c import backend as c
from rnnfast.backends.c.stepping import Stepping
from rnnfast.modules.stream import Stream

pytestmark = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))
T, I, H = 8, 5, 7  # noqa: E741 (I is the input size)


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    before = rnnfast.get_num_threads()
    yield
    rnnfast.set_num_threads(before)


def threads_of(stream: Stream[np.ndarray]) -> int:
    """How many threads the net that a stream runs was made for."""
    assert isinstance(stream.steps, Stepping)
    return int(stream.steps._handle.sizes.num_threads)


@pytest.mark.parametrize("batch", [1, 40])
def test_a_stream_follows_the_number_of_threads(batch: int) -> None:
    net = rnnfast.GRU(I, H, 2, dtype="float64", seed=0, backend="c")
    x = normal(3 * T, batch, I)
    expected, _ = net(x)
    rnnfast.set_num_threads(2)
    stream = net.stream(batch)
    first = stream.run(x[:T])
    rnnfast.set_num_threads(1)
    second = np.stack([stream.step(step) for step in x[T : 2 * T]])
    assert threads_of(stream) == (2 if batch == 1 else 1)  # a step of one row has one thread in any case
    rnnfast.set_num_threads(3)
    third = stream.run(x[2 * T :])
    assert threads_of(stream) == 3
    assert np.array_equal(np.concatenate([first, second, third]), expected)
    twin = stream.copy()
    rnnfast.set_num_threads(2)
    assert np.array_equal(twin.step(x[0]), stream.step(x[0]))
    assert np.array_equal(twin.state, stream.state) and threads_of(twin) == threads_of(stream) == 2
    for n in (1, 2):
        rnnfast.set_num_threads(n)
    assert stream.steps.quick(x[0], np.empty((batch, H))) and threads_of(stream) == 2


def test_a_stream_follows_threadpoolctl() -> None:
    threadpoolctl = pytest.importorskip("threadpoolctl", minversion="3.4", reason="threadpoolctl is not installed")
    rnnfast.set_num_threads(2)
    stream = rnnfast.GRU(I, H, seed=0, backend="c").stream(2)
    with threadpoolctl.threadpool_limits(1, user_api="rnnfast"):
        stream.step(np.ones((2, I), np.float32))
        assert threads_of(stream) == rnnfast.get_num_threads() == 1


def test_a_frozen_net_keeps_one_handle() -> None:
    fast = rnnfast.LSTM(I, H, seed=0, backend="c").freeze()
    rnnfast.set_num_threads(2)
    stream = fast.stream()
    assert isinstance(stream.steps, Stepping)
    old = weakref.ref(stream.steps._handle)
    rnnfast.set_num_threads(3)
    other = fast.stream()
    assert old() is not None  # the first stream's still
    stream.run(np.ones((2, I), np.float32))
    gc.collect()
    assert old() is None and threads_of(stream) == threads_of(other) == 3
    assert isinstance(other.steps, Stepping) and stream.steps._handle is other.steps._handle


def test_a_stream_in_use_stays_as_it_is() -> None:
    rnnfast.set_num_threads(2)
    stream = rnnfast.GRU(I, H, seed=0, backend="c").stream(2)
    with stream.steps.held():
        rnnfast.set_num_threads(1)
        for use in (lambda: stream.step(np.ones((2, I), np.float32)), lambda: stream.state):
            with pytest.raises(RuntimeError, match="used by another thread"):
                use()
        assert threads_of(stream) == 2
    assert stream.step(np.ones((2, I), np.float32)).shape == (2, H) and threads_of(stream) == 1
