"""Chunks of one tape and unwanted gradients, as only the C interface can ask for them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from agreement import ALL_CELLS, RAGGED
from bits import assert_same_bits, promised, run_on_one_reserve
from c_records import Record, call, reserve_of
from support import GRADIENTS, OUTPUTS, Spec, assert_same, copy_of, make_problem, outputs_of, pick, with_outputs

from rnnfast.backends.c import backend as c
from rnnfast.backends.c.library import library
from rnnfast.backends.common import whole
from rnnfast.backends.reference import backend as reference

HELD = Spec("lstm", steps=100, batch=6, input_size=5, hidden_size=9, masked_output="hold")


@pytest.fixture(autouse=True)
def _c_can_run() -> None:
    if reason := c.reason():
        pytest.skip(reason)


@pytest.fixture
def block_steps() -> int:
    return int(library()[1].RF_BLOCK_STEPS)


@ALL_CELLS
def test_gradients_that_nobody_wants_change_no_other(cell: str) -> None:
    problem = make_problem(Spec(cell, steps=9, batch=6, input_dropout=0.3, directions=2, layers=2), "float32")
    expected = promised(problem)
    for name in (*GRADIENTS, "dx"):
        part = replace(copy_of(problem), **{name: None})
        reserve = reserve_of(part)
        call(part, reserve, 0, part.steps, "rf_forward")
        if name == "d_weight_ih":
            part.x = None
        call(part, reserve, 0, part.steps, "rf_backward")
        got = pick(outputs_of(part), [other for other in (*GRADIENTS, "dx", "dh0") if other != name])
        assert_same_bits(got, pick(expected, {key.split("[")[0] for key in got}))


@ALL_CELLS
def test_a_tape_may_be_cut_at_any_step(cell: str) -> None:
    """Only the order in which weight gradients are summed depends on where."""
    problem = make_problem(Spec(cell, steps=90, batch=5, input_size=5, hidden_size=9, **RAGGED), "float64")
    expected, got = promised(problem), run_on_one_reserve(problem, (1, 63, 65, 89))
    assert_same_bits(*(pick(results, OUTPUTS) for results in (got, expected)))
    assert_same(got, expected, rtol=1e-12, atol=1e-14)


def test_rows_of_weight_gradients_are_gathered_over_steps(block_steps: int) -> None:
    """Blocks are cut by live rows: a batch with one long row, which is a block of its own for many steps."""
    problem = make_problem(Spec("lstm", steps=150, batch=70, input_size=5, hidden_size=9), "float64")
    problem.lengths = np.full(problem.batch, 2)
    problem.lengths[33] = problem.steps
    expected = promised(problem)
    assert_same_bits(run_on_one_reserve(problem, range(block_steps, 150, block_steps)), expected)
    whole.forward(reference, problem)
    whole.backward(problem)
    assert_same(pick(expected, GRADIENTS), pick(outputs_of(problem), GRADIENTS), rtol=1e-11, atol=1e-13)


def test_a_gradient_held_over_a_chunk_without_dy_arrives(block_steps: int) -> None:
    problem = make_problem(HELD, "float64")
    problem.lengths = np.full(problem.batch, block_steps // 2)
    assert problem.dy is not None
    problem.dy[:block_steps] = 0
    problem.dh_n = problem.dc_n = None
    expected = promised(problem)
    tape = with_outputs(problem)
    reserve = reserve_of(problem, 0xFF)
    call(tape, reserve, 0, tape.steps, "rf_forward")
    call(tape, reserve, block_steps, tape.steps, "rf_backward")
    tape.dh_n, tape.dc_n, tape.dy = tape.dh0, tape.dc0, None
    call(tape, reserve, 0, block_steps, "rf_backward")
    assert np.abs(expected["d_weight_hh[0]"]).max() > 0
    assert_same_bits(pick(outputs_of(tape), GRADIENTS), pick(expected, GRADIENTS))


def test_backward_may_begin_at_any_chunk(block_steps: int) -> None:
    problem = make_problem(HELD, "float64")
    first = with_outputs(problem)
    reserve = reserve_of(problem, 0xFF)
    call(first, reserve, 0, block_steps, "rf_forward")
    call(first, reserve, 0, block_steps, "rf_backward")
    assert all(np.isfinite(a).all() for a in pick(outputs_of(first), GRADIENTS).values())


def test_a_negative_number_of_threads_is_refused() -> None:
    record = Record(make_problem(HELD, "float32"))
    record.record.num_threads = -1
    with pytest.raises(ValueError, match="range"):
        record.run("rf_forward")
