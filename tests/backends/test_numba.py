"""What only the Numba backend has: its line while it compiles, its cache, and its functions' accuracy."""

from __future__ import annotations

import shutil
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

PACKAGE = Path(rnnfast.__file__).parent
PROGRAM = """
import sys
import rnnfast
assert not any(name.partition(".")[0] in ("numba", "llvmlite") for name in sys.modules)
from support import Spec, make_problem
from rnnfast.backends.common import whole
from rnnfast.backends.numba import backend
for cell in sys.argv[1:]:
    problem = make_problem(Spec(cell, steps=2, batch=1), "float32")
    problem.record = False
    whole.forward(backend, problem)
    print(cell, problem.y.shape)
"""


def said_by(package: Path, *cells: str, **environment: str) -> str:
    """What a process that runs these cells with a copy of the package writes to stderr."""
    paths = f"{package.parent}:{Path(__file__).parents[1] / 'helpers'}"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *cells],
        env={"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        cwd=package.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [f"{cell} (2, 1, 5)" for cell in cells]
    return done.stderr


@pytest.mark.slow
def test_compiling_is_announced_once_and_kept(tmp_path: Path) -> None:
    """Kernels go to NUMBA_CACHE_DIR here; the second process finds those of every cell there."""
    said = [said_by(PACKAGE, "rnn_tanh", "gru", NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2)]
    assert [text.count("Numba compiles the kernels, once") for text in said] == [1, 0]


@pytest.mark.slow
def test_kernels_run_where_there_is_no_folder_to_keep_them(tmp_path: Path) -> None:
    """A package that cannot be written, for a user without a home: one line says so."""
    package = tmp_path / "rnnfast"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__", "*.so*"))
    (package / "backends" / "numba" / "__pycache__").write_text("a file: nobody can make a folder of it")
    said = said_by(package, "rnn_tanh", HOME="/proc/nobody").splitlines()
    assert len(said) == 1 and "in every process anew" in said[0] and "NUMBA_CACHE_DIR" in said[0]


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
