"""Infinite weights and states in clusters: infinity, NaN and all other numbers where the reference has them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from cluster_backward import gradients, recorded, run_backward
from cluster_forward import run_forward
from ptx_emulator import PtxEmulator
from support import GRADIENTS as PARAMETER_GRADIENTS
from support import Results, Spec, copy_of, make_problem, outputs_of, pick

from rnnfast.backends.common import whole
from rnnfast.backends.cuda.cluster.cells import CELLS
from rnnfast.backends.reference import backend as reference
from rnnfast.problem import Problem

INF = np.float32(np.inf)


def cases(first: Any, second: Any, *in_every_run: tuple[Any, Any]) -> list[Any]:
    """All pairs, slow but for some."""
    pairs = itertools.product(first, second)
    return [pytest.param(*each, marks=() if each in in_every_run else pytest.mark.slow) for each in pairs]


def assert_like(found: Results, right: Results) -> None:
    """NaN and each infinity in the same places, other numbers close."""
    for name, expected in right.items():
        most = np.abs(expected[np.isfinite(expected)]).max(initial=1)
        np.testing.assert_allclose(found[name], expected, rtol=1e-5, atol=3e-6 * most, err_msg=name)


def assert_forward(problem: Problem, **options: Any) -> Results:
    """Hold y and final states against the reference's; return these."""
    truth = copy_of(problem)
    with np.errstate(all="ignore"):
        whole.forward(reference, truth)
        found = run_forward(problem, PtxEmulator(), **options)
    right = {name: getattr(truth, name) for name in ("y", "h_n", "c_n") if getattr(truth, name) is not None}
    assert found["error"] == 0
    assert_like(found, right)
    return right


def small(cell: str, **options: Any) -> Problem:
    return make_problem(Spec(cell, **{"steps": 3, "batch": 2, "hidden_size": 6, **options}), "float32")


@pytest.mark.parametrize(
    ("cell", "where"),
    cases(
        CELLS, ["h0", "weight_hh", "both"], ("lstm", "both"), ("gru", "h0"), ("rnn_tanh", "h0"), ("rnn_relu", "both")
    ),
)
def test_infinite_states_and_weights(cell: str, where: str) -> None:
    """Gates of them saturate, so that most that follows is finite; where 0 meets one, or two of them, it is NaN."""
    problem = small(cell)
    weight = problem.weight_hh[0]
    if where != "weight_hh":
        problem.h0[0, 1, 2] = -INF
    if where != "h0":
        weight[1, 3], weight[4, 2], weight[-1, 5] = INF, -INF, INF
        weight[2, :2] = INF, -INF
    right = assert_forward(problem)
    if where == "h0":
        assert np.isfinite(right["y"][:, 0]).all()
        assert np.isfinite(right["y"][:, 1]).all() == (cell in ("lstm", "rnn_tanh"))


def test_a_zero_weight_times_an_infinite_state() -> None:
    """In units of two blocks, the second of which has units that are not there."""
    problem = small("lstm", hidden_size=21, steps=2)
    problem.h0[0, 1, 17], problem.weight_hh[0][25, 17] = INF, 0
    right = assert_forward(problem)
    assert np.isnan(right["y"][0, 1]).sum() == 1 and np.isfinite(right["y"][:, 0]).all()


@pytest.mark.parametrize("cell", ["lstm", pytest.param("gru", marks=pytest.mark.slow)])
def test_what_follows_an_infinite_state(cell: str) -> None:
    """A reset or a first live step ends it, and products are as exact as ever."""
    problem = small(cell, steps=4, lengths=True, resets=True, directions=2)
    problem.h0[:, :, 2] = INF
    problem.lengths[:] = 4, 2
    problem.resets[:] = 0
    problem.resets[2, 0] = problem.resets[1, 1] = 1
    right = assert_forward(problem, record=True)
    assert np.isfinite(right["y"][2:, 0, :6]).all()


@pytest.mark.parametrize(
    ("cell", "size"), cases(["lstm", "gru", "rnn_tanh"], [1e12, 1e30], ("lstm", 1e12), ("gru", 1e30))
)
def test_what_follows_a_huge_state(cell: str, size: float) -> None:
    """A reset ends it, and products are as exact as ever; a row that is not live keeps it."""
    problem = small(cell, steps=5, lengths=True, resets=True, mask=True, directions=2)
    problem.h0 *= np.float32(size)
    problem.lengths[:] = 5, 4
    problem.resets[:], problem.mask[:] = 0, 1
    problem.resets[3, 0] = problem.resets[2, 1] = 1
    problem.mask[0, 0] = problem.mask[-2, 1] = 0
    truth, plain = copy_of(problem, np.float64), copy_of(problem)
    found = run_forward(problem, PtxEmulator())
    for each in (truth, plain):
        whole.forward(reference, each)
    for t in range(5):
        for row in range(2):
            expected, got, right = (a[t, row] for a in (truth.y, found["y"], plain.y))
            scale = max(np.abs(expected).max(), 1)
            assert np.abs(got - expected).max() <= 1e-6 * scale + 8 * np.abs(right - expected).max(), (t, row)


def test_infinite_cells() -> None:
    problem = small("lstm")
    problem.c0[0, 0, :2] = INF, -INF
    assert_forward(problem)


def assert_backward(problem: Problem) -> Results:
    """Hold gradients against the reference's; return these."""
    truth = copy_of(problem)
    with np.errstate(all="ignore"):
        whole.forward(reference, truth)
        whole.backward(truth)
        records = recorded(problem)
        found = gradients(problem, records, run_backward(problem, records, PtxEmulator()))
    right = pick(outputs_of(truth), ("dx", "dh0", "dc0", *PARAMETER_GRADIENTS))
    assert_like(found, right)
    return right


@pytest.mark.parametrize(
    ("cell", "where"), cases(CELLS, ["h0", "weight_hh", "dh_n"], ("rnn_linear", "weight_hh"), ("rnn_tanh", "dh_n"))
)
def test_gradients_of_infinite_numbers(cell: str, where: str) -> None:
    """Where a gate is saturated, its gradient is 0 and 0 times infinity NaN; elsewhere they may be infinite."""
    problem = small(cell)
    if where == "weight_hh":
        problem.weight_hh[0][1, 3], problem.weight_hh[0][4, 2] = INF, -INF
    else:
        getattr(problem, where)[0, 1, 2] = -INF
    right = assert_backward(problem)
    assert not np.isfinite(np.concatenate([a.ravel() for a in right.values()])).all()


@pytest.mark.parametrize(
    ("cell", "rows"),
    [
        ("rnn_relu", {"lengths": True}),
        pytest.param("rnn_relu", {"mask": True, "resets": True}, marks=pytest.mark.slow),
        pytest.param("lstm", {"lengths": True}, marks=pytest.mark.slow),
        pytest.param("lstm", {"mask": True, "resets": True}, marks=pytest.mark.slow),
    ],
)
def test_steps_that_are_not_live_have_no_product_with_infinite_weights(cell: str, rows: dict[str, bool]) -> None:
    """Gradients of states pass them as they are."""
    problem = small(cell, steps=5, batch=4, directions=2, **rows)
    for weight in problem.weight_hh:
        weight[1, 3], weight[2, 4] = INF, np.nan
    if "lengths" in rows:
        problem.lengths[:] = 0, 2, 5, 1
    else:
        problem.resets[:] = problem.mask[:] = 0
        problem.mask[1, 1:] = problem.mask[3, 2:] = problem.resets[2, 2] = 1
    right = assert_backward(problem)
    np.testing.assert_array_equal(right["dh0"][:, 0], problem.dh_n[:, 0])
    assert not np.isfinite(right["dh0"]).all()
