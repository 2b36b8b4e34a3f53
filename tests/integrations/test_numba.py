"""Steps inside functions that Numba compiles: their bits, whose state they move, what they refuse, what they cost."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from nets import EVERY_KIND, KINDS, normal

import rnnfast
from rnnfast.backends.c.library import is_built

numba = pytest.importorskip("numba", reason="numba is not installed")
pytestmark = pytest.mark.skipif(not is_built(), reason="the C library was not built")

from rnnfast.integrations.numba import rows_of, step  # noqa: E402

T, I, H = 1000, 3, 6  # noqa: E741 (I is the input size)


@numba.njit
def through(rows: Any, xs: Any, ys: Any) -> None:
    """Make a step for each of xs."""
    for t in range(len(xs)):
        step(rows, xs[t], ys[t])


@EVERY_KIND
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [1, 5])
def test_a_thousand_compiled_steps_have_the_bits_of_pythons(kind: str, dtype: str, batch: int) -> None:
    net = KINDS[kind](I, H, num_layers=2, dtype=dtype, seed=1, backend="c")
    xs = normal(T, batch, I).astype(dtype)
    stream, other = net.stream(batch), net.stream(batch)
    ys = np.full((T, batch, H), np.nan, dtype)
    through(rows_of(stream), xs, ys)
    assert np.array_equal(ys, np.stack([other.step(x) for x in xs]))
    for a, b in zip(np.atleast_1d(stream.state), np.atleast_1d(other.state), strict=True):
        assert np.array_equal(a, b)
    again = np.empty_like(ys)
    through(rows_of(stream), xs, again)
    assert np.array_equal(again, np.stack([other.step(x) for x in xs])) and not np.array_equal(again, ys)


def test_rows_without_a_batch_axis() -> None:
    stream = rnnfast.GRU(I, H, seed=1, backend="c").stream()
    ys = np.empty((4, H), np.float32)
    through(rows_of(stream), np.ones((4, I), np.float32), ys)
    assert np.array_equal(stream.state[0, 0], ys[-1])


def test_rows_keep_their_net_alive() -> None:
    net = rnnfast.LSTM(I, H, seed=1, backend="c")
    xs, ys = normal(T, 1, I).astype(np.float32), np.empty((T, 1, H), np.float32)
    rows = rows_of(net.stream())
    gc.collect()
    through(rows, xs, ys)
    assert np.array_equal(ys, net(xs)[0])


def test_rows_keep_the_net_that_their_stream_no_longer_runs() -> None:
    net, before = rnnfast.LSTM(I, H, seed=1, backend="c"), rnnfast.get_num_threads()
    xs, ys = normal(T, 1, I).astype(np.float32), np.empty((T, 1, H), np.float32)
    stream = net.stream()
    rows, handle = rows_of(stream), weakref.ref(stream.steps._handle)  # type: ignore[attr-defined]
    try:
        rnnfast.set_num_threads(before + 1)
        stream.reset()
        gc.collect()
        assert handle() is not None and handle() is not stream.steps._handle  # type: ignore[attr-defined]
        through(rows, xs, ys)
    finally:
        rnnfast.set_num_threads(before)
    assert np.array_equal(ys, net(xs)[0])
    del rows
    gc.collect()
    assert handle() is None


def test_python_without_numbas_compiler_steps_too() -> None:
    net = rnnfast.LSTM(I, H, seed=1, backend="c")
    xs, ys = normal(9, 1, I).astype(np.float32), np.empty((9, 1, H), np.float32)
    through.py_func(rows_of(net.stream()), xs, ys)
    assert np.array_equal(ys, net(xs)[0])
    with pytest.raises(ValueError, match="another size"):
        step(rows_of(net.stream()), xs[0, :, :2], ys[0])
    with pytest.raises(TypeError, match="x must be a C-contiguous array of float32"):
        step(rows_of(net.stream()), xs[0].astype(np.float64), ys[0])
    with pytest.raises(TypeError, match="x is of type list, expected a NumPy array of float32"):
        step(rows_of(net.stream()), [1.0] * I, ys[0])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="rows is of type tuple, expected what rows_of"):
        step((1, 2), xs[0], ys[0])  # type: ignore[arg-type]


def test_an_output_that_is_read_only_stays_as_it_is() -> None:
    net = rnnfast.LSTM(I, H, seed=1, backend="c")
    rows, xs, ys = rows_of(net.stream()), np.ones((2, 1, I), np.float32), np.zeros((2, 1, H), np.float32)
    ys.flags.writeable = False
    with pytest.raises(numba.TypingError, match="y is of type .*, which is read-only"):
        through(rows, xs, ys)
    with pytest.raises(ValueError, match="y is read-only, expected an array to write the output into"):
        step(rows, xs[0], ys[0])
    assert not ys.any()
    xs.flags.writeable = False  # as x may be
    through(rows, xs, ys.copy())


def test_what_does_not_fit_is_refused() -> None:
    stream = rnnfast.LSTM(I, H, seed=1, backend="c").stream()
    rows, xs, ys = rows_of(stream), np.ones((2, 1, I), np.float32), np.empty((2, 1, H), np.float32)
    for bad_x, bad_y in ((xs[..., :2].copy(), ys), (xs, ys[..., :2].copy()), (xs.repeat(2, 1), ys.repeat(2, 1))):
        with pytest.raises(ValueError, match="another size than the stream's rows"):
            through(rows, bad_x, bad_y)
    for bad_x in (xs.astype(np.float64), np.ones((2, 1, 2 * I), np.float32)[..., ::2]):
        with pytest.raises(numba.TypingError, match="x is of type .*, expected a C-contiguous array of float32"):
            through(rows, bad_x, ys)
    with pytest.raises(numba.TypingError, match="expected what rows_of"):
        through((1, 2), xs, ys)
    with pytest.raises(TypeError, match="expected what lstm.stream"):
        rows_of(rnnfast.LSTM(I, H))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match='backend="c"'):
        rows_of(rnnfast.LSTM(I, H, backend="reference").stream())
