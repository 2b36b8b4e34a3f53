"""Rules that hold for every backend: what is never read, where NaN stays, what is written, and what is left alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from agreement import ALL_CELLS, BOTH_DTYPES, MEDIUM, RAGGED
from support import GRADIENTS, Spec, assert_same, copy_of, live_and_cut, make_problem, outputs_of, pick, run
from targets import ON_EVERY_TARGET, Target

import rnnfast
from rnnfast.backends.common import whole
from rnnfast.backends.reference import backend as reference


@ON_EVERY_TARGET
@ALL_CELLS
@BOTH_DTYPES
@pytest.mark.parametrize("masked_output", ["zero", "hold"])
def test_what_is_never_read_reaches_nothing(target: Target, cell: str, dtype: str, masked_output: str) -> None:
    spec = Spec(cell, **MEDIUM, **RAGGED, layers=2, directions=2, masked_output=masked_output)
    problem = make_problem(spec, dtype)
    poisoned = copy_of(problem)
    live, cut = live_and_cut(problem)
    poisoned.x[~live] = np.nan
    if masked_output == "zero":
        poisoned.dy[~live] = np.nan
    for state in (poisoned.h0, poisoned.c0):
        if state is not None:
            state[0::2, cut[0]] = np.nan  # a cut at t = 0 replaces the states of forward directions only
    assert_same(target.run(poisoned), target.run(problem))


@ON_EVERY_TARGET
@ALL_CELLS
@BOTH_DTYPES
def test_nan_and_inf_stay_in_their_row(target: Target, cell: str, dtype: str) -> None:
    rows = [0, 2, 3, 4]
    clean = target.run(make_problem(Spec(cell, **MEDIUM), dtype))
    for bad in (np.nan, np.inf, -np.inf):
        problem = make_problem(Spec(cell, **MEDIUM), dtype)
        problem.x[2, 1] = bad
        results = target.run(problem)
        for name, a in pick(clean, ("y", "h_n", "c_n", "dx", "dh0", "dc0")).items():
            np.testing.assert_array_equal(results[name][:, rows], a[:, rows], err_msg=name)
        np.testing.assert_array_equal(results["y"][:2, 1], clean["y"][:2, 1])
        assert not np.isnan(bad) or np.isnan(results["y"][2:, 1]).all()


@ON_EVERY_TARGET
@ALL_CELLS
@pytest.mark.parametrize("live", [True, False])
def test_overwriting_gradients_reads_nothing_of_what_is_there(target: Target, cell: str, live: bool) -> None:
    problem = make_problem(Spec(cell, layers=2, directions=2, steps=70, batch=5, input_size=3, hidden_size=9))
    if not live:
        problem.lengths = np.zeros(problem.batch, np.int64)
    over = copy_of(problem)
    over.overwrite = True
    for name in GRADIENTS:
        for a in getattr(over, name) or []:
            a[...] = np.nan
    got, expected = target.run(over), target.run(problem)
    for name, a in expected.items():
        np.testing.assert_array_equal(got[name], a, err_msg=name)


@ON_EVERY_TARGET
def test_parameter_gradients_are_added_and_unwanted_ones_left_out(target: Target) -> None:
    problem = make_problem(Spec(layers=2, directions=2, **MEDIUM))
    full = target.run(copy_of(problem))
    added = copy_of(problem)
    for name in GRADIENTS:
        for a in getattr(added, name) or []:
            a[...] = 7
    assert_same({name: a - 7 for name, a in target.run(added).items()}, pick(full, GRADIENTS), atol=1e-13)
    for unwanted in (GRADIENTS, ["dx"], ["dh0"], ["dc0"], ["state_grad_norms"]):
        rest = target.run(replace(copy_of(problem), **dict.fromkeys(unwanted)))
        assert_same(rest, {name: a for name, a in full.items() if name.split("[")[0] not in unwanted})


@ON_EVERY_TARGET
@pytest.mark.parametrize("name", ["dy", "dh_n", "dc_n"])
def test_gradients_that_are_not_given_are_zeros(target: Target, name: str) -> None:
    problem = make_problem(Spec(directions=2, **MEDIUM, **RAGGED, masked_output="hold"))
    zeros = replace(copy_of(problem), **{name: np.zeros_like(getattr(problem, name))})
    assert_same(target.run(replace(copy_of(problem), **{name: None})), target.run(zeros))


@ON_EVERY_TARGET
@ALL_CELLS
@BOTH_DTYPES
def test_inference_and_frozen_weights_give_the_same_numbers(target: Target, cell: str, dtype: str) -> None:
    problem = make_problem(Spec(cell, layers=2, directions=2, **MEDIUM, **RAGGED), dtype)
    recorded = target.run(copy_of(problem))
    for frozen in (False, True):
        plain = replace(copy_of(problem), record=False, variant=target.variant, frozen=frozen)
        whole.forward(target.backend, plain)
        assert plain.reserve is None
        assert_same(outputs_of(plain), pick(recorded, ("y", "h_n", "c_n")))


@ON_EVERY_TARGET
@ALL_CELLS
@pytest.mark.parametrize(("steps", "batch"), [(0, 3), (4, 0)])
def test_without_steps_or_rows_the_state_returns_unchanged(target: Target, cell: str, steps: int, batch: int) -> None:
    problem = make_problem(Spec(cell, steps=steps, batch=batch, layers=2, directions=2))
    results = target.run(problem)
    for got, given_state in (("h_n", "h0"), ("c_n", "c0"), ("dh0", "dh_n"), ("dc0", "dc_n")):
        if got in results:
            np.testing.assert_array_equal(results[got], getattr(problem, given_state))
    assert not any(a.any() for a in pick(results, GRADIENTS).values())


@ON_EVERY_TARGET
@ALL_CELLS
def test_steps_at_which_no_row_is_live(target: Target, cell: str) -> None:
    """In the midst and at the end, of a net whose weights are too many to be taken as a whole."""
    problem = make_problem(Spec(cell, steps=6, batch=3, input_size=2, hidden_size=100, mask=True))
    problem.lengths = np.array([3, 5, 4])
    problem.mask[2] = 0
    expected = run(reference, copy_of(problem))
    assert not expected["y"][[2, 5]].any() and expected["y"][[1, 4]].any()
    assert_same(target.run(problem), expected, rtol=1e-9, atol=1e-11)


@ON_EVERY_TARGET
def test_what_is_not_finite_passes_through_dropout_silently(target: Target) -> None:
    spec = Spec(layers=2, dropout=0.5, input_dropout=0.5, recurrent_dropout=0.5)
    problem = make_problem(spec, "float32")
    for array in (problem.x, problem.dy):
        array[0], array[1] = np.inf, np.nan
    target.run(problem)  # warnings are errors in these tests


@ON_EVERY_TARGET
@pytest.mark.parametrize("cell", [rnnfast.LSTM, rnnfast.GRU])
def test_a_tape_that_is_kept_serves_again(target: Target, cell: Any) -> None:
    target.skip_unless_able()
    net = cell(4, 5, num_layers=2, bidirectional=True, seed=0, backend=str(target))
    y, _, tape = net.record(np.ones((3, 2, 4), np.float32), keep=True)
    gates, first = tape.gates(), tape.backward(y)
    for name, values in tape.backward(y).params.items():
        np.testing.assert_array_equal(values, first.params[name])
    for name, values in tape.gates().items():
        np.testing.assert_array_equal(values, gates[name])


@ON_EVERY_TARGET
@pytest.mark.parametrize("written", ["x", "weight_ih_l0", "weight_hh_l0"])
def test_gradients_may_take_the_place_of_the_input(target: Target, written: str) -> None:
    target.skip_unless_able()
    net = rnnfast.RNN(6, 6, bidirectional=True, seed=0, backend=str(target))
    x = np.random.default_rng(1).standard_normal((3, 2, 6)).astype(np.float32)
    y, _, tape = net.record(x, keep=True)
    expected, place = tape.backward(y), tape.backward(y)
    if written == "x":
        place = replace(place, x=x)
    else:
        place.params[written] = x.reshape(6, 6)
    grads = tape.backward(y, out=place)
    np.testing.assert_array_equal(grads.x, expected.x)
    for name, values in expected.params.items():
        np.testing.assert_array_equal(grads.params[name], values)


@ON_EVERY_TARGET
@ALL_CELLS
@pytest.mark.parametrize(("steps", "batch"), [(0, 3), (3, 0), (0, 0)])
@pytest.mark.parametrize("options", [{}, {**RAGGED, "layers": 2, "directions": 2, "masked_output": "hold"}], ids=str)
def test_no_steps_or_no_rows(target: Target, cell: str, steps: int, batch: int, options: dict[str, Any]) -> None:
    problem = make_problem(Spec(cell, steps=steps, batch=batch, **options))
    results = target.run(problem)
    np.testing.assert_array_equal(results["h_n"], problem.h0)
    np.testing.assert_array_equal(results["dh0"], problem.dh_n)
    assert results["y"].shape[:2] == results["dx"].shape[:2] == (steps, batch)
    for name, values in pick(results, GRADIENTS).items():
        assert not values.any(), name
