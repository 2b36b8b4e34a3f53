"""Every backend on arrays that lie in memory in every allowed way, and no access beyond them."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from agreement import ALL_CELLS, BOTH_DTYPES, MEDIUM, RAGGED, assert_agrees
from layouts import LAYOUTS, Layout, after_guard_page, before_guard_page
from support import Spec, assert_same, copy_of, make_problem
from targets import ON_EVERY_TARGET, TARGETS, Target


@ON_EVERY_TARGET
@BOTH_DTYPES
@pytest.mark.parametrize("cell", ["lstm", "gru_before"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_strides_of_sequences_are_free(target: Target, cell: str, dtype: str, layout: str) -> None:
    spec = Spec(cell, **MEDIUM, **RAGGED, directions=2, masked_output="hold")
    problem = copy_of(make_problem(spec, dtype), layout=LAYOUTS[layout])
    before = {name: getattr(problem, name).copy() for name in ("x", "dy")}
    assert_agrees(target.run(problem), spec, dtype)
    for name, a in before.items():
        np.testing.assert_array_equal(getattr(problem, name), a)
    if layout == "gaps":
        for a in (problem.y, problem.dx):
            assert np.isnan(a.base[..., a.shape[-1] :]).all()


@ON_EVERY_TARGET
@BOTH_DTYPES
@pytest.mark.parametrize("axes", ["T", "B", "TB"])
def test_inputs_may_repeat_themselves_with_zero_strides(target: Target, dtype: str, axes: str) -> None:
    repeated = {}
    problem = make_problem(Spec(**MEDIUM, **RAGGED), dtype)
    for name in ("x", "dy"):
        a = getattr(problem, name)
        repeated[name] = np.broadcast_to(a[: 1 if "T" in axes else None, : 1 if "B" in axes else None], a.shape)
    got = target.run(replace(copy_of(problem), **repeated))
    assert_same(got, target.run(copy_of(replace(problem, **repeated))))


@pytest.mark.skipif(sys.platform != "linux", reason="guard pages are made with Linux's mprotect")
@pytest.mark.parametrize("target", [t for t in TARGETS if t.name == "c"], ids=str)
@ALL_CELLS
@BOTH_DTYPES
@pytest.mark.parametrize("place", [before_guard_page, after_guard_page])
@pytest.mark.parametrize("hidden_size", [1, 7, 16, 17, 65])
def test_nothing_is_touched_beyond_an_array(
    target: Target, cell: str, dtype: str, place: Any, hidden_size: int
) -> None:
    spec = Spec(cell, 5, 3, 9, hidden_size, **RAGGED, layers=2, directions=2, masked_output="hold")
    problem = copy_of(make_problem(spec, dtype), layout=Layout(sequences=place, dense=place))
    assert_agrees(target.run(problem), spec, dtype)
