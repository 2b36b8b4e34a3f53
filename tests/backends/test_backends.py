"""Every backend and variant against the reference in float64: every output and every gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from agreement import ALL_CELLS, BOTH_DTYPES, MEDIUM, RAGGED, assert_agrees, truth_and_reference
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from layouts import LAYOUTS, Layout
from support import Spec, copy_of, error, make_problem
from targets import ON_EVERY_TARGET, REQUIRED, Target

from rnnfast.problem import CELLS, Array

# T, B, I, H: sizes around the widths of vectors and tiles, and two that are longer or wider than a block of anything.
SHAPES = [
    (1, 1, 1, 1),
    (1, 1, 70, 137),
    (1, 9, 300, 33),
    (5, 1, 3, 7),
    (4, 2, 8, 8),
    (3, 5, 7, 15),
    (5, 7, 15, 16),
    (4, 13, 16, 17),
    (3, 3, 17, 31),
    (2, 2, 31, 33),
    (3, 4, 33, 63),
    (2, 5, 63, 65),
    (6, 1, 65, 3),
    (300, 2, 3, 17),
    (9, 70, 5, 33),
]
DROPOUT = {"dropout": 0.5, "input_dropout": 0.25, "recurrent_dropout": 0.3}
OPTIONS: dict[str, dict[str, Any]] = {
    "bare": {"bias": False, "states": False},
    "lengths": {"lengths": True},
    "mask": {"mask": True},
    "resets": {"resets": True},
    "ragged": RAGGED,
    "hold": {**RAGGED, "masked_output": "hold"},
    "long and ragged": {**RAGGED, "steps": 150, "batch": 13, "hidden_size": 16},
    "long and held": {**RAGGED, "steps": 150, "batch": 2, "masked_output": "hold", "directions": 2},
    "input dropout": {"input_dropout": 0.4, "first_row": 1000},
    "recurrent dropout": {"recurrent_dropout": 0.4},
    "two directions": {**RAGGED, "directions": 2},
    "three layers": {"layers": 3},
    "everything": {**RAGGED, **DROPOUT, "layers": 2, "directions": 2, "masked_output": "hold", "first_row": 3},
}


@pytest.mark.parametrize("name", REQUIRED)
def test_what_must_run_here_can(name: str) -> None:
    """RNNFAST_TEST_REQUIRE=c:avx512 asks for more, RNNFAST_TEST_ALLOW_MISSING=c for less."""
    base, _, variant = name.partition(":")
    assert Target(base, variant or None).reason is None


@ON_EVERY_TARGET
@ALL_CELLS
@BOTH_DTYPES
@pytest.mark.parametrize("shape", SHAPES, ids="T{0[0]}-B{0[1]}-I{0[2]}-H{0[3]}".format)
def test_shapes(target: Target, cell: str, dtype: str, shape: tuple[int, int, int, int]) -> None:
    spec = Spec(cell, *shape)
    assert_agrees(target.run(make_problem(spec, dtype)), spec, dtype)


@ON_EVERY_TARGET
@ALL_CELLS
@BOTH_DTYPES
@pytest.mark.parametrize("option", OPTIONS)
def test_options(target: Target, cell: str, dtype: str, option: str) -> None:
    spec = Spec(cell, **{**MEDIUM, **OPTIONS[option]})
    assert_agrees(target.run(make_problem(spec, dtype)), spec, dtype)


@ON_EVERY_TARGET
@ALL_CELLS
@BOTH_DTYPES
def test_a_thousand_steps_stay_within_the_promised_error(target: Target, cell: str, dtype: str) -> None:
    spec = Spec(cell, steps=1000, batch=3, input_size=16, hidden_size=33)
    assert_agrees(target.run(make_problem(spec, dtype)), spec, dtype, strict=True)


@ON_EVERY_TARGET
@ALL_CELLS
@BOTH_DTYPES
def test_error_at_large_weights_is_at_most_twice_that_of_the_reference(target: Target, cell: str, dtype: str) -> None:
    if np.finfo(np.longdouble).eps == np.finfo(dtype).eps:
        pytest.skip("the error of float64 is measured with a wider long double, which this platform lacks")
    squares: dict[str, Array] = {}
    sizes = {"steps": 6 if target.emulated else 12, "batch": 3, "input_size": 9, "hidden_size": 17}
    for seed in range(8):
        spec = Spec(cell, **sizes, scale=3, seed=seed)
        results, (truth, plain) = target.run(make_problem(spec, dtype)), truth_and_reference(spec, dtype, np.longdouble)
        for name, value in truth.items():
            if name == "state_grad_norms":  # float64 in either dtype: what a sum of squares loses, not the cell
                continue
            errors = np.array([error(results[name], value), error(plain[name], value)])
            squares[name] = squares.get(name, np.zeros(2)) + np.square(errors / np.linalg.norm(value.ravel()))
    ratios = {name: float(np.sqrt(got / allowed)) for name, (got, allowed) in squares.items()}
    assert max(ratios.values()) <= 2, ratios


SPECS = st.builds(
    Spec,
    cell=st.sampled_from(list(CELLS)),
    steps=st.integers(1, 12),
    batch=st.integers(1, 18),
    input_size=st.integers(1, 35),
    hidden_size=st.integers(1, 35),
    layers=st.integers(1, 3),
    directions=st.integers(1, 2),
    masked_output=st.sampled_from(["zero", "hold"]),
    dropout=st.sampled_from([0.0, 0.5]),
    input_dropout=st.sampled_from([0.0, 0.5]),
    recurrent_dropout=st.sampled_from([0.0, 0.25]),
    first_row=st.sampled_from([0, 1, 2**31]),
    seed=st.integers(0, 1000),
    **{name: st.booleans() for name in ("bias", "states", "lengths", "mask", "resets")},
)


@ON_EVERY_TARGET
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(spec=SPECS, dtype=st.sampled_from(["float32", "float64"]), layout=st.sampled_from(list(LAYOUTS.values())))
def test_random_nets(target: Target, spec: Spec, dtype: str, layout: Layout) -> None:
    problem = copy_of(make_problem(spec, dtype), layout=layout)
    # What the emulator has time for is small, and in arrays of a few numbers rounding says little (agreement.py).
    assume(not target.emulated or (target.can_take(problem) and spec.hidden_size > 3))
    assert_agrees(target.run(problem), spec, dtype)
