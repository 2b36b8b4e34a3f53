"""Prepared calls of the reference: what they keep, to the byte, who may run them, and the axes that callers have."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support import Spec, copy_of, make_problem, outputs_of, with_outputs

from rnnfast.arrays.layout import Layout
from rnnfast.backends.common import whole
from rnnfast.backends.contract import BackwardArrays, ForwardArrays
from rnnfast.backends.reference import backend as reference
from rnnfast.problem import CELLS, Array, Problem

ALL_CELLS = pytest.mark.parametrize("cell", CELLS)
DROPOUT = {"dropout": 0.5, "input_dropout": 0.5, "recurrent_dropout": 0.5}
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "deep": {"layers": 2, "directions": 2},
    **{name: {"layers": 2, "directions": 2, name: 0.5} for name in DROPOUT},
    "resets": {"resets": True, "bias": False},
}


def arrays_in(kept: Any) -> Iterator[Array]:
    """All arrays in tuples, lists and dicts, whole where only a part is referred to."""
    if isinstance(kept, np.ndarray):
        yield kept if kept.base is None else kept.base
    elif isinstance(kept, tuple | list | dict):
        for value in kept.values() if isinstance(kept, dict) else kept:
            yield from arrays_in(value)


@ALL_CELLS
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_reserve_holds_as_many_bytes_as_it_says(cell: str, option: str, dtype: str) -> None:
    problem = make_problem(Spec(cell, **OPTIONS[option]), dtype)
    bound = reference.bind(problem, Layout())
    kept = bound.run(ForwardArrays(problem.x, problem.y, (), (), resets=problem.resets), 5)
    held = {id(array): array.nbytes for array in arrays_in(kept)}
    assert bound.reserve_bytes() == sum(held.values())


@ALL_CELLS
def test_a_step_keeps_what_the_table_of_cells_names(cell: str) -> None:
    problem = make_problem(Spec(cell))
    whole.forward(reference, problem)
    for step in problem.reserve.kept.layers[0].steps:
        assert set(step.saved) == set(CELLS[cell].saved)
        assert {a.shape for a in step.saved.values()} == {(problem.batch, problem.hidden_size)}


def test_a_reserve_serves_again() -> None:
    problem = make_problem(Spec(layers=2, directions=2, lengths=True, mask=True, resets=True, **DROPOUT))
    whole.forward(reference, problem)
    found = []
    for keep in (True, True, False):
        again = with_outputs(problem)
        again.reserve = problem.reserve
        gates = whole.activations(again)
        whole.backward(again, keep=keep)
        found.append({**gates, **outputs_of(replace(again, y=problem.y, h_n=problem.h_n, c_n=problem.c_n))})
    for name, expected in found[0].items():
        assert np.isfinite(expected).all()
        for other in found[1:]:
            np.testing.assert_array_equal(other[name], expected, err_msg=name)


def test_what_was_run_on_may_change_before_backward() -> None:
    """All but the parameters: the caller may reuse x, the states and what says which steps are live."""
    problem = make_problem(Spec(layers=2, directions=2, lengths=True, mask=True, resets=True))
    expected = copy_of(problem)
    for p in (problem, expected):
        whole.forward(reference, p)
    for array in (problem.x, problem.y, problem.h0, problem.c0):
        array[...] = np.nan
    for array in (problem.mask, problem.resets):
        array ^= 1
    whole.backward(problem)
    whole.backward(expected)
    np.testing.assert_array_equal(problem.dx, expected.dx)


def test_threads_run_one_prepared_call_at_a_time_of_their_own() -> None:
    problem = make_problem(Spec(layers=2, directions=2, **DROPOUT))
    bound = reference.bind(problem, Layout())

    def call(seed: int) -> tuple[Array, Array]:
        x = np.random.default_rng(seed).standard_normal(problem.x.shape)
        y, dx = np.empty_like(problem.y), np.empty_like(x)
        kept = bound.run(ForwardArrays(x, y, (), ()), seed)
        bound.backward(kept, BackwardArrays(x, y, (), dx, (), None))
        return y, dx

    alone = [call(seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        for got, expected in zip(pool.map(call, range(8)), alone, strict=True):
            for a, b in zip(got, expected, strict=True):
                np.testing.assert_array_equal(a, b)
    assert not np.array_equal(alone[0][0], alone[1][0])


LAYOUTS = {
    "batch first": (Layout(batch_first=True), {}),
    "one sequence": (Layout(batch=False), {"batch": 1}),
    "one step": (Layout(time=False, layers=False), {"steps": 1}),
    "one step of one sequence": (Layout(time=False, batch=False, layers=False), {"steps": 1, "batch": 1}),
}


@ALL_CELLS
@pytest.mark.parametrize("layout", LAYOUTS)
def test_arrays_come_with_the_axes_of_their_caller(cell: str, layout: str) -> None:
    axes, sizes = LAYOUTS[layout]
    problem = make_problem(Spec(cell, **sizes))
    expected = copy_of(problem)
    whole.forward(reference, expected)
    whole.backward(expected)
    seen = callers_arrays(problem, axes)
    bound = reference.bind(problem, axes)
    kept = bound.run(ForwardArrays(seen["x"], seen["y"], states(seen, "h0", "c0"), states(seen, "h_n", "c_n")))
    given = seen["x"], seen["dy"], states(seen, "dh_n", "dc_n"), seen["dx"], states(seen, "dh0", "dc0")
    bound.backward(kept, BackwardArrays(*given, whole.d_parameters(problem), problem.state_grad_norms))
    for name, array in outputs_of(expected).items():
        if name in seen:
            view = axes.sequence(seen[name]) if name in ("y", "dx") else axes.state(seen[name])
            np.testing.assert_array_equal(view, array, err_msg=name)
        else:
            np.testing.assert_array_equal(outputs_of(problem)[name], array, err_msg=name)


def callers_arrays(problem: Problem, axes: Layout) -> dict[str, Array]:
    """Sequences and states of a problem in fresh arrays of the caller's shapes."""
    t, b, h = problem.steps, problem.batch, problem.hidden_size
    found = {}
    for name in ("x", "y", "dy", "dx"):
        array = getattr(problem, name)
        found[name] = np.empty(axes.sequence_shape(t, b, array.shape[-1]))
        axes.sequence(found[name])[...] = array
    for name in ("h0", "c0", "h_n", "c_n", "dh_n", "dc_n", "dh0", "dc0"):
        if (array := getattr(problem, name)) is not None:
            found[name] = np.empty(axes.state_shape(len(array), b, h))
            axes.state(found[name])[...] = array
    return found


def states(seen: dict[str, Array], *names: str) -> list[Array]:
    """The states that the cell has of these."""
    return [seen[name] for name in names if name in seen]
