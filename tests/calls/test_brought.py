"""Prepared calls whose parameters come with each call, as addresses, and whose number of threads is their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from nets import normal

import rnnfast
from rnnfast.arrays.layout import Layout
from rnnfast.backends.c.library import is_built
from rnnfast.backends.c.memory import address_of, at
from rnnfast.backends.choose import select
from rnnfast.backends.contract import BackwardArrays, ForwardArrays
from rnnfast.calls.prepared import RECORDED, Engine
from rnnfast.net.brought import Brought

pytestmark = pytest.mark.skipif(not is_built(), reason="the C library was not built")
T, B, I, H = 5, 3, 4, 6  # noqa: E741 (I is the input size)


def engine_of(net: Any, threads: int = 0) -> Engine:
    """An engine of the same net without parameters of its own."""
    return Engine(net, Brought(net), select("c"), num_threads=threads)


def by_tables(arrays: list[Any], each: int) -> list[int]:
    """The addresses of parameters, table by table."""
    return [address_of(array) for table in range(each) for array in arrays[table::each]]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("keep", [False, True])
def test_brought_parameters_give_the_bits_of_ones_own(bias: bool, keep: bool) -> None:
    options: dict[str, Any] = {"num_layers": 2, "bidirectional": True, "bias": bias, "backend": "c"}
    first, second = (rnnfast.LSTM(I, H, seed=seed, **options) for seed in (1, 2))
    x = normal(T, B, I).astype(np.float32)
    engine = engine_of(first._net)
    bound = engine.prepared(RECORDED, x.shape, Layout()).bound
    for net in (first, second, first):
        y, (h, c), tape = net.record(x, keep=keep)
        grads = tape.backward(y)
        weights = [*net.state_dict().values()]
        parameters = by_tables(weights, 4 if bias else 2)
        got_y, final = np.full_like(y, np.nan), (np.full_like(h, np.nan), np.full_like(c, np.nan))
        arrays = ForwardArrays(at(address_of(x)), got_y, (), final, dense=True, parameters=parameters)
        reserve = bound.run(arrays)
        assert all(np.array_equal(*pair) for pair in zip((got_y, *final), (y, h, c), strict=True))
        for _ in range(2 if keep else 1):
            dx, d_parameters = np.full_like(x, np.nan), [np.full_like(array, np.nan) for array in grads.params.values()]
            wanted = BackwardArrays(x, y, (), dx, (), d_parameters, dense=True, parameters=parameters)
            bound.backward(reserve, wanted, keep=keep)
            expected = [grads.x, *grads.params.values()]
            assert all(np.array_equal(*pair) for pair in zip((dx, *d_parameters), expected, strict=True))


def test_a_call_without_its_parameters_is_refused() -> None:
    x, net = np.ones((T, B, I), np.float32), rnnfast.GRU(I, H, backend="c")
    bound = engine_of(net._net).prepared(RECORDED, x.shape, Layout()).bound
    y, h = np.empty((T, B, H), np.float32), np.empty((1, B, H), np.float32)
    with pytest.raises(RuntimeError, match="missing|NULL|null"):
        bound.run(ForwardArrays(x, y, (), (h,), dense=True))


def test_threads_of_a_prepared_call_are_its_own(number_of_threads_restored: None) -> None:
    net = rnnfast.GRU(I, H, backend="c")
    bounds = [engine_of(net._net, threads).prepared(RECORDED, (T, B, I), Layout()).bound for threads in (3, 0)]
    for n in (1, 2):
        rnnfast.set_num_threads(n)
        assert [bound.slot(backward=False).threads for bound in bounds] == [3, n]
