"""Nets of the C library made once: steps and sequences of every cell, in the bits of the general call."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from handles import Rows, expected, handle, problem_of, x_of

from rnnfast.backends.c import backend as c
from rnnfast.problem import CELLS

pytestmark = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))


EVERY_CELL = pytest.mark.parametrize("cell", CELLS)


BOTH = pytest.mark.parametrize("dtype", ["float32", "float64"])


VARIANTS = [name for name in c.variants() if c.reason(name) is None]


@EVERY_CELL
@BOTH
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    "batch, sizes, layers", [(1, (3, 5), 1), (1, (40, 40), 2), (3, (7, 33), 2), (9, (1, 24), 1), (1, (1, 130), 1)]
)
def test_steps_have_the_bits_of_a_sequence(
    cell: str, dtype: str, variant: str, batch: int, sizes: tuple[int, int], layers: int
) -> None:
    words = {"steps": 12, "batch": batch, "input_size": sizes[0], "hidden_size": sizes[1], "layers": layers}
    problem = replace(problem_of(dtype, cell=cell, **words), variant=variant)
    y, rows = expected(problem), Rows(handle(problem), batch, dtype)
    np.testing.assert_array_equal(np.stack([rows.step(x) for x in x_of(problem)]), y)
    h, c_n = rows.read((layers, batch, sizes[1]))
    np.testing.assert_array_equal(h, problem.h_n)
    if problem.c_n is not None:
        np.testing.assert_array_equal(c_n, problem.c_n)


@EVERY_CELL
@BOTH
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_thousand_steps_are_one_sequence(cell: str, dtype: str, variant: str) -> None:
    sizes = {"steps": 1000, "batch": 2, "input_size": 8, "hidden_size": 16, "layers": 2}
    problem = replace(problem_of(dtype, cell=cell, **sizes), variant=variant)
    y, net = expected(problem), handle(problem)
    stepped, run = Rows(net, 2, dtype), Rows(net, 2, dtype, steps=1000)
    np.testing.assert_array_equal(np.stack([stepped.step(x) for x in x_of(problem)]), y)
    np.testing.assert_array_equal(run.forward(x_of(problem)), y)
    for got, of_steps in zip(run.read((2, 2, 16)), stepped.read((2, 2, 16)), strict=True):
        np.testing.assert_array_equal(got, of_steps)


@EVERY_CELL
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("masked_output", ["zero", "hold"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_sequence_is_the_general_call(cell: str, directions: int, masked_output: str, threads: int) -> None:
    words = {"lengths": True, "mask": True, "resets": True, "directions": directions, "layers": 2}
    problem = problem_of(cell=cell, steps=30, batch=40, hidden_size=20, masked_output=masked_output, **words)
    y, rows = expected(problem), Rows(handle(problem, threads=threads), 40, "float32", steps=30)
    flags = {"lengths": problem.lengths, "mask": problem.mask, "resets": problem.resets}
    np.testing.assert_array_equal(rows.forward(x_of(problem), **flags), y)
    np.testing.assert_array_equal(rows.read((2 * directions, 40, 20))[0], problem.h_n)


def test_empty_calls_leave_the_state_alone() -> None:
    problem = problem_of(steps=2, batch=3)
    rows = Rows(handle(problem), 3, "float32", steps=2)
    rows.forward(x_of(problem))
    before = rows.state.bytes.copy()
    assert rows.forward(x_of(problem)[:0]).size == 0
    np.testing.assert_array_equal(rows.state.bytes, before)
    assert Rows(rows.net, 0, "float32").step(np.zeros((0, 4), "float32")).size == 0
