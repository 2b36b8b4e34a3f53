"""Rows of y anywhere in memory: with gaps between them, backwards, or some of all steps in one place."""

from __future__ import annotations

import numpy as np
import pytest
from bits import assert_same_bits
from c_records import Record
from support import CELLS, Spec, make_problem

from rnnfast.backends.c import backend as c

pytestmark = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))

STEPS, BATCH = 5, 3
GAP = 7


def strides(kind: str, size: int) -> tuple[int, int, int]:
    """Return where row (0, 0) begins, and numbers from step to step and from row to row."""
    row = size + GAP
    return {
        "gaps": (0, BATCH * row, row),
        "batch first": (0, row, STEPS * row),
        "backwards": ((STEPS - 1) * BATCH * row, -BATCH * row, row),
        "one place": (0, 0, row),
        "next row's place": (0, row, row),
    }[kind]


@pytest.mark.parametrize("kind", ["gaps", "batch first", "backwards", "one place", "next row's place"])
@pytest.mark.parametrize("hidden", [144, 20])
@pytest.mark.parametrize("cell", CELLS)
def test_rows_of_outputs_lie_anywhere(cell: str, hidden: int, kind: str) -> None:
    problem = make_problem(Spec(cell=cell, steps=STEPS, batch=BATCH, hidden_size=hidden), "float32")
    Record(problem).run("rf_forward")
    y, h_n = problem.y.copy(), problem.h_n.copy()
    size = y.shape[-1]
    start, by_step, by_row = strides(kind, size)
    room = np.full(2 * STEPS * BATCH * (size + GAP), np.nan, np.float32)
    other = Record(problem)
    other.record.y = other.template.ffi.from_buffer("float *", room[start:])
    other.record.y_stride_t, other.record.y_stride_b = by_step, by_row
    problem.h_n[...] = np.nan
    other.run("rf_forward")
    at = np.arange(STEPS)[:, None] * by_step + np.arange(BATCH) * by_row + start
    rows = room[at[..., None] + np.arange(size)]
    seen = slice(-1 if kind.endswith("place") else 0, None)
    assert_same_bits({"y": rows[seen], "h_n": problem.h_n}, {"y": y[seen], "h_n": h_n})
    room[at[..., None] + np.arange(size)] = np.nan
    assert np.isnan(room).all()
