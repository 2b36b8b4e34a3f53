"""Numbers below the normal ones on the C backend: they count as zeros, and the caller's own mode is restored."""

from __future__ import annotations

import ctypes
import platform
from dataclasses import replace

import numpy as np
import pytest
from agreement import ALL_CELLS, BOTH_DTYPES
from bits import EVERY_VARIANT, make, promised

import rnnfast
from rnnfast.backends.c import backend as c
from rnnfast.backends.common import whole

pytestmark = [
    pytest.mark.skipif(c.reason() is not None, reason=str(c.reason())),
    pytest.mark.usefixtures("number_of_threads_restored"),
]


@EVERY_VARIANT
@BOTH_DTYPES
@pytest.mark.parametrize("batch", [1, 65])
def test_states_below_the_normal_numbers_are_zeros(variant: str, dtype: str, batch: int) -> None:
    tiny, halvings, size = np.finfo(dtype).tiny, 5, 64
    problem = make(variant, "rnn_linear", dtype, steps=12, batch=batch, input_size=40, hidden_size=size, bias=False)
    problem.x[...], problem.dy[...], problem.weight_hh[0][...] = 0, 0, 0.5 * np.eye(size)
    problem.h0[...] = problem.dh_n[...] = tiny * 2**halvings
    rnnfast.set_num_threads(3)
    results = promised(problem)
    np.testing.assert_array_equal(results["y"][:halvings, 0, 0], tiny * 2.0 ** np.arange(halvings)[::-1])
    assert not results["y"][halvings:].any() and not results["h_n"].any() and not results["dh0"].any()
    for name, a in results.items():
        assert not ((a != 0) & (np.abs(a) < tiny)).any(), name


@EVERY_VARIANT
@ALL_CELLS
@BOTH_DTYPES
def test_inputs_below_the_normal_numbers_count_as_zeros(variant: str, cell: str, dtype: str) -> None:
    problem = make(variant, cell, dtype, batch=3, input_size=4, hidden_size=9, bias=False, states=False, scale=1e20)
    problem.x[...] = np.finfo(dtype).smallest_subnormal * 1000
    assert (problem.x != 0).all()
    y = promised(problem)["y"]
    problem.x[...] = 0
    np.testing.assert_array_equal(y, promised(problem)["y"])


@EVERY_VARIANT
@BOTH_DTYPES
def test_the_callers_floating_point_mode_is_restored(variant: str, dtype: str) -> None:
    tiny = np.array([np.finfo(dtype).tiny], dtype)
    problem = make(variant, "lstm", dtype, batch=70, input_size=64, hidden_size=64)
    rnnfast.set_num_threads(3)
    promised(problem)
    whole.forward(c, replace(problem, frozen=True))
    c.elementwise("exp", tiny, variant)
    c.fma_loop(dtype, 1, variant)
    assert (tiny / 2 > 0).all() and (tiny / 2 * 2 == tiny).all() and (tiny / 2 + tiny / 4 > tiny / 2).all()


@pytest.mark.skipif(platform.system() != "Linux" or platform.machine() != "x86_64", reason="numbers of x86-64 Linux")
def test_a_step_neither_heeds_nor_changes_the_callers_rounding() -> None:
    mathematics, upward = ctypes.CDLL("libm.so.6"), 0x800
    net, x = rnnfast.LSTM(8, 8, backend="c"), np.linspace(-1, 1, 8, dtype=np.float32)
    expected, up = (net.stream() for _ in range(2))
    y = [expected.step(x) for _ in range(5)]
    try:
        assert mathematics.fesetround(upward) == 0
        np.testing.assert_array_equal([up.step(x) for _ in range(5)], y)
        assert np.float32(1) + np.float32(1e-9) > 1
    finally:
        mathematics.fesetround(0)
