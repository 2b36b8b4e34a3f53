"""Chunks of one tape and unwanted gradients, as only the C interface can ask for them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bits import assert_same_bits, block_steps, promised
from support import GRADIENTS, Spec, copy_of, make_problem, outputs_of, pick, with_outputs
from test_backends import ALL_CELLS

from rnnfast.backends import c
from rnnfast.backends.c_library import library
from rnnfast.backends.c_memory import Block
from rnnfast.problem import Problem

HELD = Spec("lstm", steps=40, batch=16, input_size=5, hidden_size=9, masked_output="hold")


@pytest.fixture(autouse=True)
def _c_can_run() -> None:
    if reason := c.reason():
        pytest.skip(reason)


def reserve_of(problem: Problem) -> Block:
    """Room for its tape, filled with NaN."""
    block = Block(c._Call(replace(problem, reserve=None)).size(library()[1].rf_reserve_bytes))
    block.bytes[:] = 0xFF
    return block


def call(problem: Problem, reserve: Block, t0: int, t1: int, function: str) -> None:
    chunk = c._Call(replace(problem, reserve=reserve))
    chunk.record.t0, chunk.record.t1 = t0, t1
    chunk.run(getattr(chunk.lib, function))


@ALL_CELLS
def test_gradients_that_nobody_wants_change_no_other(cell: str) -> None:
    problem = make_problem(Spec(cell, steps=9, batch=6, input_dropout=0.3, directions=2, layers=2), "float32")
    expected = promised(problem)
    for name in (*GRADIENTS, "dx"):
        part = replace(copy_of(problem), **{name: None})
        c.forward(part)
        if name == "d_weight_ih":
            part.x = None
        c.backward(part)
        got = pick(outputs_of(part), [other for other in (*GRADIENTS, "dx", "dh0") if other != name])
        assert_same_bits(got, pick(expected, {key.split("[")[0] for key in got}))


def test_a_tape_is_cut_between_blocks_only() -> None:
    problem = make_problem(HELD, "float32")
    block, reserve = block_steps(problem), reserve_of(problem)
    assert 1 < block < problem.steps
    call(problem, reserve, block, problem.steps, "rf_forward")
    for function in ("rf_forward", "rf_backward"):
        with pytest.raises(ValueError, match="range"):
            call(problem, reserve, block - 1, problem.steps, function)


def test_a_gradient_held_over_a_chunk_without_dy_arrives() -> None:
    problem = make_problem(HELD, "float64")
    block = block_steps(problem)
    problem.lengths = np.full(problem.batch, block // 2)
    assert problem.dy is not None
    problem.dy[:block] = 0
    problem.dh_n = problem.dc_n = None
    expected = promised(problem)
    whole = with_outputs(problem)
    reserve = reserve_of(whole)
    call(whole, reserve, 0, whole.steps, "rf_forward")
    call(whole, reserve, block, whole.steps, "rf_backward")
    whole.dh_n, whole.dc_n, whole.dy = whole.dh0, whole.dc0, None
    call(whole, reserve, 0, block, "rf_backward")
    assert np.abs(expected["d_weight_hh[0]"]).max() > 0
    assert_same_bits(pick(outputs_of(whole), GRADIENTS), pick(expected, GRADIENTS))


def test_backward_may_begin_at_any_chunk() -> None:
    problem = make_problem(HELD, "float64")
    block = block_steps(problem)
    first = with_outputs(problem)
    reserve = reserve_of(first)
    call(first, reserve, 0, block, "rf_forward")
    call(first, reserve, 0, block, "rf_backward")
    assert all(np.isfinite(a).all() for a in pick(outputs_of(first), GRADIENTS).values())


def test_a_negative_number_of_threads_is_refused() -> None:
    record = c._Call(make_problem(HELD, "float32"))
    record.record.num_threads = -1
    with pytest.raises(ValueError, match="range"):
        record.run(record.lib.rf_forward)
