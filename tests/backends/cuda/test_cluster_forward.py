"""Forward by clusters, its source run by the emulator: results, records, bits, extreme numbers, rows that differ."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from agreement import promised
from cluster_forward import run_forward
from ptx_emulator import PtxEmulator
from support import Results, Spec, copy_of, error, live_and_cut, make_problem

from rnnfast.backends.common import whole
from rnnfast.backends.cuda.cluster.cells import CELLS
from rnnfast.backends.reference import backend as reference
from rnnfast.problem import Problem

ALL_CELLS, EVERY_VALUE = pytest.mark.parametrize("cell", list(CELLS)), pytest.mark.covering(1)
RAGGED: dict[str, Any] = {"lengths": True, "mask": True, "resets": True, "recurrent_dropout": 0.4}
SMALL: dict[str, Any] = {"steps": 4, "batch": 3, "hidden_size": 21}
"""Two blocks, of which the second has five units."""


def truth_of(problem: Problem) -> Problem:
    """The same problem with the reference's results in float64."""
    truth = copy_of(problem, np.float64)
    whole.forward(reference, truth)
    return truth


def assert_right(results: Results, problem: Problem, times: float = 1.0) -> None:
    """y and the final states within what is promised of float32."""
    assert results["error"] == 0
    truth = truth_of(problem)
    for name in ("y", "h_n", "c_n"):
        if name in results:
            expected = getattr(truth, name)
            assert error(results[name], expected) <= times * promised(expected, "float32"), name


@EVERY_VALUE
@ALL_CELLS
@pytest.mark.parametrize("hidden_size", [8, 21])
def test_it_agrees_with_the_reference(cell: str, hidden_size: int) -> None:
    problem = make_problem(replace(Spec(cell, **SMALL), hidden_size=hidden_size), "float32")
    assert_right(run_forward(problem, PtxEmulator()), problem)


@EVERY_VALUE
@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("order", [1, 2])
def test_several_tiles_both_directions_no_states_and_a_batch_that_comes_first(cell: str, order: int) -> None:
    problem = make_problem(Spec(cell, steps=3, batch=9, hidden_size=6, directions=2, states=False), "float32")
    results = run_forward(problem, PtxEmulator(order), batch_first=True)
    assert_right(results, problem)
    again = run_forward(problem, PtxEmulator(order + 2))
    assert all(np.array_equal(again[name], value) for name, value in results.items())


def test_the_largest_depth_that_an_emulator_can_bear() -> None:
    """Parts of two k tiles, of which the last has no columns."""
    problem = make_problem(Spec("lstm", steps=2, batch=1, hidden_size=70, bias=False), "float32")
    assert_right(run_forward(problem, PtxEmulator()), problem)


@ALL_CELLS
def test_rows_that_differ(cell: str) -> None:
    problem = make_problem(Spec(cell, **SMALL, directions=2, **RAGGED), "float32")
    live, _ = live_and_cut(problem)
    problem.x[~live] = np.nan
    assert_right(run_forward(problem, PtxEmulator(0)), replace(problem, x=np.nan_to_num(problem.x)))


def test_tiles_by_length() -> None:
    """Rows are dealt to tiles by their lengths, and a tile's visits begin and end with them."""
    problem = make_problem(Spec("gru", steps=5, batch=17, hidden_size=5, directions=2, lengths=True), "float32")
    problem.lengths[:] = [0, 1, 5, 1, 0, 3, 1, 0, 0, 2, 4, 0, 1, 2, 0, 0, 1]
    assert_right(run_forward(problem, PtxEmulator()), problem)


@EVERY_VALUE
@ALL_CELLS
@pytest.mark.parametrize("options", [{}, RAGGED], ids=["dense", "ragged"])
def test_what_backward_needs_is_recorded(cell: str, options: dict[str, Any]) -> None:
    """Gates and c as the reference has them, h as it enters each visit, nothing beyond a tile's visits."""
    problem = make_problem(Spec(cell, **SMALL, directions=2, **options), "float32")
    truth = truth_of(problem)
    results, activations = run_forward(problem, PtxEmulator(), record=True), whole.activations(truth)
    live, cut = live_and_cut(problem)
    size, names = problem.hidden_size, [name for name in activations if name != "c"]
    for d in range(2):
        for name, slot in zip(names, range(len(names)), strict=True):
            got = results["gates"][d][..., slot * size : (slot + 1) * size]
            np.testing.assert_allclose(got[live], activations[name][d][live], atol=3e-6)
            assert np.isnan(got[~live]).all()
        for kept in ("h", "c")[: len(problem.states)]:
            state = getattr(truth, f"{kept}0")[d].copy()
            found = results[kept][d] if d == 0 else results[kept][d][::-1]
            shown = truth.y[..., d * size : (d + 1) * size] if kept == "h" else activations["c"][d]
            visits = range(problem.steps) if d == 0 else range(problem.steps)[::-1]
            nothing = np.zeros_like(cut[:1])
            cut_after = np.concatenate([cut[1:], nothing] if d == 0 else [nothing, cut[1:]])
            if d == 0:
                state[cut[0]] = 0
            beyond, some = np.isnan(found).all(axis=(1, 2)), live.any(axis=1)[visits]
            assert not (beyond[:-1] | beyond[1:])[some].any()
            np.testing.assert_allclose(found[0], np.where(beyond[0], np.nan, state), atol=1e-6)
            for v, t in enumerate(visits):
                state[live[t]] = shown[t][live[t]]
                after = np.where(cut_after[t][:, None], 0, state)
                expected = after if kept == "h" else state
                np.testing.assert_allclose(found[v + 1], np.where(beyond[v + 1], np.nan, expected), atol=1e-6)
                state = after


def test_without_steps_states_are_returned() -> None:
    problem = make_problem(Spec("lstm", steps=0, batch=3, hidden_size=8), "float32")
    results = run_forward(problem, PtxEmulator(), record=True)
    for name in ("h", "c"):
        first = getattr(problem, f"{name}0")
        assert np.array_equal(results[f"{name}_n"], first) and np.array_equal(results[name], first[:, None])


def test_a_row_has_the_same_bits_alone_and_in_any_batch() -> None:
    problem = make_problem(Spec("lstm", steps=3, batch=11, hidden_size=7), "float32")
    whole_batch = run_forward(problem, PtxEmulator())
    for row in (2, 10):
        alone = replace(problem, batch=1, x=problem.x[:, row : row + 1])
        alone.h0, alone.c0 = (a[:, row : row + 1].copy() for a in (problem.h0, problem.c0))
        results = run_forward(alone, PtxEmulator())
        assert np.array_equal(results["y"][:, 0], whole_batch["y"][:, row])
        assert np.array_equal(results["c_n"][:, 0], whole_batch["c_n"][:, row])


EXTREMES: dict[str, dict[str, float]] = {
    "weights to 1000": {"weight_hh": 5000},
    "weights of 1e-30": {"weight_hh": 1e-30},
    "h0 to 3000": {"h0": 1000},
    "h0 to 1e6": {"h0": 5e5},
    "numbers of 1e-8": {"h0": 1e-8, "c0": 1e-8, "x": 1e-8},
}


@EVERY_VALUE
@ALL_CELLS
@pytest.mark.parametrize("extreme", EXTREMES)
def test_numbers_of_any_size(extreme: str, cell: str) -> None:
    """Within float32's limits or, where float32 itself is not, 8 times the reference's error in it."""
    problem = make_problem(Spec(cell, steps=3, batch=2, hidden_size=24, bias=False), "float32")
    for name, factor in EXTREMES[extreme].items():
        a = getattr(problem, name)
        for each in a if isinstance(a, list) else [a][: a is not None]:
            each *= np.float32(factor)
    truth, plain, results = truth_of(problem), copy_of(problem), run_forward(problem, PtxEmulator())
    whole.forward(reference, plain)
    for name in ("y", "h_n", "c_n")[: 1 + len(problem.states)]:
        expected = getattr(truth, name)
        allowed = max(promised(expected, "float32"), 8 * error(getattr(plain, name), expected))
        assert error(results[name], expected) <= allowed, name


def test_nan_stays_in_its_row() -> None:
    problem = make_problem(Spec("lstm", **SMALL), "float32")
    clean = run_forward(problem, PtxEmulator())
    problem.x[1, 1], problem.h0[0, 2, 5] = np.nan, np.nan
    results = run_forward(problem, PtxEmulator())
    assert np.isnan(results["y"][1:, 1]).all() and np.isnan(results["y"][:, 2]).all()
    assert np.array_equal(results["y"][:, 0], clean["y"][:, 0])
    assert np.array_equal(results["y"][0, 1], clean["y"][0, 1])
