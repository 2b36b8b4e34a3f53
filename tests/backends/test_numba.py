"""What only the Numba backend has: its line while it compiles, its cache, and its functions' accuracy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast
from rnnfast.problem import Array

pytest.importorskip("numba", reason="numba is not installed")

import numba

from rnnfast.backends.scalar import functions

PROGRAM = """
import numpy, sys
import rnnfast
assert not any(name.partition(".")[0] in ("numba", "llvmlite") for name in sys.modules)
rnnfast.RNN(3, 4, backend="numba")(numpy.zeros((2, 1, 3), "float32"))
"""


@pytest.mark.slow
def test_compiling_is_announced_once_and_kept(tmp_path: Path) -> None:
    """Kernels go to NUMBA_CACHE_DIR here; the second process finds them there."""
    said = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(Path(rnnfast.__file__).parents[1])},
            capture_output=True,
            text=True,
            check=True,
        )
        said.append(done.stderr.count("Numba compiles the kernels"))
    assert said == [1, 0]


@numba.njit(error_model="numpy", fastmath={"contract"})
def both(x: Any, logistic: Any, tanh: Any) -> None:
    for i in range(len(x)):
        logistic[i], tanh[i] = functions.logistic(x[i]), functions.tanh(x[i])


def values(x: Array) -> tuple[Array, Array]:
    """The logistic function and tanh of x."""
    logistic, tanh = np.empty_like(x), np.empty_like(x)
    both(x, logistic, tanh)
    return logistic, tanh


@pytest.mark.parametrize(("dtype", "wide"), [("float32", "float64"), ("float64", "longdouble")])
def test_functions_are_within_four_units_in_the_last_place(dtype: str, wide: str) -> None:
    if np.finfo(wide).eps >= np.finfo(dtype).eps:
        pytest.skip(f"{wide} is no wider than {dtype} here")
    x = np.concatenate([np.linspace(-80, 80, 400_001), np.geomspace(1e-30, 1, 10_001)]).astype(dtype)
    exact = x.astype(wide)
    for got, truth in zip(values(x), (1 / (1 + np.exp(-exact)), np.tanh(exact)), strict=True):
        unit = np.spacing(np.abs(truth).astype(dtype))
        assert (np.abs(got - truth) / unit).max() <= 4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_functions_at_their_ends(dtype: str) -> None:
    logistic, tanh = values(np.array([np.nan, np.inf, -np.inf, 0, -0.0], dtype))
    np.testing.assert_allclose(logistic, [np.nan, 1, 0, 0.5, 0.5], atol=np.finfo(dtype).tiny)
    np.testing.assert_array_equal(tanh, [np.nan, 1, -1, 0, 0])
    assert np.signbit(tanh[4])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_functions_run_as_plain_python_too(dtype: str) -> None:
    x = np.array([-200, -7.5, -0.55, -1e-3, 0, 0.3, 0.6, 5, 200, np.nan], dtype)
    with np.errstate(all="ignore"):
        plain = [[f(number) for number in x] for f in (functions.logistic, functions.tanh)]
    assert {type(number) for number in plain[0] + plain[1]} == {x.dtype.type}
    np.testing.assert_allclose(plain, values(x), rtol=4 * np.finfo(dtype).eps, atol=np.finfo(dtype).tiny)
