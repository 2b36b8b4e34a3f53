"""Equal bits of every row on the C backend: whatever the batch, the order of its rows and what is in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from agreement import ALL_CELLS, BOTH_DTYPES, RAGGED
from bits import (
    EVERY_NET,
    EVERY_VARIANT,
    NETS,
    assert_rows_agree,
    assert_same_bits,
    make,
    promised,
    rows_of,
    rows_of_results,
)
from support import OUTPUTS, copy_of, pick

from rnnfast.backends.c import backend as c

pytestmark = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))


@EVERY_VARIANT
@ALL_CELLS
@BOTH_DTYPES
@EVERY_NET
def test_a_sequence_alone_and_in_every_batch(variant: str, cell: str, dtype: str, net: str) -> None:
    problem = make(variant, cell, dtype, **NETS[net], batch=37)
    assert_rows_agree(promised, problem, (*range(1, 14), 36, 1))


@EVERY_VARIANT
@ALL_CELLS
@BOTH_DTYPES
@pytest.mark.parametrize("options", [{}, {**RAGGED, "directions": 2, "layers": 2}], ids=["plain", "ragged"])
def test_the_order_of_rows(variant: str, cell: str, dtype: str, options: Any) -> None:
    problem = make(variant, cell, dtype, steps=9, batch=13, input_size=9, hidden_size=17, **options)
    expected = promised(problem)
    rng = np.random.default_rng(5)
    for order in (np.arange(13)[::-1], rng.permutation(13), rng.integers(0, 13, 20)):
        got = promised(rows_of(problem, order))
        assert_same_bits(pick(got, OUTPUTS), rows_of_results(expected, order))


@EVERY_VARIANT
@ALL_CELLS
@BOTH_DTYPES
def test_neighbours_may_be_ragged_or_hold_nan(variant: str, cell: str, dtype: str) -> None:
    kept = [0, 3, 4, 9]
    problem = make(variant, cell, dtype, steps=9, batch=11, input_size=9, hidden_size=17, layers=2)
    expected = rows_of_results(promised(problem), kept)
    others = np.setdiff1d(np.arange(11), kept)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        changed = copy_of(problem)
        changed.mask, changed.resets = np.ones((9, 11), np.uint8), np.zeros((9, 11), np.uint8)
        changed.lengths = np.full(11, 9)
        if seed:
            changed.lengths[others] = rng.integers(0, 10, others.size)
            changed.mask[:, others] = rng.random((9, others.size)) < 0.5
            changed.resets[:, others] = rng.random((9, others.size)) < 0.5
        if seed % 2:
            for a in (changed.x, changed.dy, changed.h0, changed.dh_n):
                a[:, others] = rng.choice([np.nan, np.inf, -np.inf, 1e30])
        assert_same_bits(rows_of_results(promised(changed), kept), expected)
