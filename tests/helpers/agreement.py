"""What it means for a backend to agree with the reference, and the options under which all of them must."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from support import Results, Spec, copy_of, error, make_problem, run

from rnnfast.backends.reference import backend as reference
from rnnfast.problem import CELLS, Array

ALL_CELLS = pytest.mark.parametrize("cell", CELLS)
BOTH_DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
RAGGED: dict[str, Any] = {"lengths": True, "mask": True, "resets": True}
MEDIUM = {"steps": 7, "batch": 5, "input_size": 9, "hidden_size": 17}
FINER = {"float32": np.float64, "float64": np.longdouble}
RELATIVE_ERROR = {"float32": 1e-6, "float64": 1e-12}


def promised(value: Array, dtype: str) -> float:
    """The error in norm that is promised for a result, beside its norm the smallest numbers that rounding leaves."""
    return float(RELATIVE_ERROR[dtype] * np.linalg.norm(value.ravel()) + np.sqrt(value.size) * np.finfo(dtype).tiny)


@functools.lru_cache(maxsize=256)
def truth_and_reference(spec: Spec, dtype: str, finer: Any = None) -> tuple[Results, Results]:
    """Results of the reference, with more digits, those of `finer`, on the numbers that `dtype` holds, and in it."""
    problem = make_problem(spec, dtype)
    return run(reference, copy_of(problem, finer or FINER[dtype])), run(reference, problem)


def assert_agrees(results: Results, spec: Spec, dtype: str, *, strict: bool = False) -> None:
    """Every result within the promised error of its truth or, unless strict, 8 times the reference's own.

    Where terms cancel in an array of a few numbers, rounding exceeds what is promised in any order of summation, and
    one draw of such errors says little: the ratio of two of them is often 4.
    """
    truth, plain = truth_and_reference(spec, dtype)
    shapes, expected = ({name: a.shape for name, a in values.items()} for values in (results, truth))
    assert shapes == expected, f"got {shapes}, expected {expected}"
    bounds = {name: promised(a, dtype) for name, a in truth.items()}
    if not strict:
        bounds = {name: max(bound, 8 * error(plain[name], truth[name])) for name, bound in bounds.items()}
    errors = {name: error(a, truth[name]) for name, a in results.items()}
    wrong = {name: f"error {e:.1e}, allowed {bounds[name]:.1e}" for name, e in errors.items() if not e <= bounds[name]}
    assert not wrong, wrong
