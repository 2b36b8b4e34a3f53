"""Equal bits of whole calls on the C backend: whatever the threads, the instruction set and the memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from agreement import ALL_CELLS, BOTH_DTYPES, RAGGED
from bits import (
    DROPOUT,
    EVERY_NET,
    EVERY_VARIANT,
    FUSED,
    NETS,
    PROMISED,
    RUNNABLE,
    assert_same_bits,
    make,
    promised,
    rows_of,
    rows_of_results,
    run_as_calls,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import LAYOUTS
from support import OUTPUTS, Spec, copy_of, make_problem, outputs_of, pick, run

import rnnfast
from rnnfast.backends.c import backend as c
from rnnfast.backends.common import whole
from rnnfast.problem import CELLS, Problem

pytestmark = [
    pytest.mark.skipif(c.reason() is not None, reason=str(c.reason())),
    pytest.mark.usefixtures("number_of_threads_restored"),
]

# Every cell has work and rows enough for the most threads that are tried, but where the batch is small.
THREADED: dict[str, dict[str, Any]] = {
    "rows": {"steps": 5, "batch": 70, "input_size": 40, "hidden_size": 64, "layers": 2, **RAGGED},
    "directions": {
        "steps": 6,
        "batch": 23,
        "input_size": 100,
        "hidden_size": 72,
        "layers": 2,
        "directions": 2,
        "masked_output": "hold",
        **RAGGED,
        **DROPOUT,
    },
    "wide rows": {"steps": 4, "batch": 9, "input_size": 65, "hidden_size": 200, "masked_output": "hold", **RAGGED},
    "one row": {"steps": 5, "batch": 1, "input_size": 256, "hidden_size": 259},
    # Few rows and wide: hidden units are shared out instead.
    "units": {"steps": 9, "batch": 6, "input_size": 130, "hidden_size": 265, "layers": 2, **RAGGED},
    "units, all options": {
        "steps": 6,
        "batch": 5,
        "input_size": 70,
        "hidden_size": 270,
        "layers": 2,
        "directions": 2,
        "masked_output": "hold",
        **RAGGED,
        **DROPOUT,
    },
}


def every_result(problem: Problem) -> dict[str, Any]:
    """All results but norms, which are sums over rows in whatever order is fast."""
    results = run(c, copy_of(problem))
    del results["state_grad_norms"]
    return results


@pytest.mark.covering(2)
@EVERY_VARIANT
@ALL_CELLS
@BOTH_DTYPES
@pytest.mark.parametrize("net", THREADED)
def test_any_number_of_threads(variant: str, cell: str, dtype: str, net: str) -> None:
    problem = make(variant, cell, dtype, **THREADED[net])
    rnnfast.set_num_threads(1)
    expected = promised(problem)
    for n in (2, 3, 5):
        rnnfast.set_num_threads(n)
        assert_same_bits(promised(problem), expected)


@EVERY_VARIANT
@ALL_CELLS
@BOTH_DTYPES
@EVERY_NET
def test_packed_weights_and_inference(variant: str, cell: str, dtype: str, net: str) -> None:
    options = {name: value for name, value in NETS[net].items() if name not in DROPOUT}
    problem = make(variant, cell, dtype, **options, batch=7)
    expected = pick(promised(problem), ("y", "h_n", "c_n"))
    for frozen in (False, True):
        plain = replace(copy_of(problem), frozen=frozen, record=False)
        whole.forward(c, plain)
        assert_same_bits(pick(outputs_of(plain), tuple(expected)), expected)


@EVERY_VARIANT
@ALL_CELLS
@BOTH_DTYPES
@EVERY_NET
def test_where_arrays_lie_in_memory(variant: str, cell: str, dtype: str, net: str) -> None:
    problem = make(variant, cell, dtype, **NETS[net], batch=5)
    expected = promised(problem)
    for layout in LAYOUTS.values():
        placed = copy_of(problem, layout=layout)
        results = run(c, placed)
        assert_same_bits(pick(results, PROMISED), expected)
    problem.x[...], problem.dy[...] = problem.x[:1], problem.dy[:1]
    repeated = {name: np.broadcast_to(getattr(problem, name)[:1], getattr(problem, name).shape) for name in ("x", "dy")}
    got = pick(run(c, replace(copy_of(problem), **repeated)), PROMISED)
    assert_same_bits(got, promised(problem))


@pytest.mark.skipif(len(FUSED) < 2, reason=f"of the instruction sets with fused multiply-add only {FUSED} can run here")
@ALL_CELLS
@BOTH_DTYPES
@pytest.mark.parametrize("net", NETS | THREADED)
def test_every_instruction_set_that_fuses(cell: str, dtype: str, net: str) -> None:
    words = {"batch": 7, **(NETS | THREADED)[net]}
    expected, *others = (every_result(make(variant, cell, dtype, **words)) for variant in FUSED)
    for results in others:
        assert_same_bits(results, expected)


@settings(max_examples=60)
@given(
    spec=st.builds(
        Spec,
        cell=st.sampled_from(list(CELLS)),
        steps=st.integers(1, 12),
        batch=st.integers(2, 20),
        input_size=st.integers(1, 40),
        hidden_size=st.integers(1, 70),
        layers=st.integers(1, 3),
        directions=st.integers(1, 2),
        masked_output=st.sampled_from(["zero", "hold"]),
        seed=st.integers(0, 1000),
        **{name: st.booleans() for name in ("bias", "states", "lengths", "mask", "resets")},
    ),
    dtype=st.sampled_from(["float32", "float64"]),
    variant=st.sampled_from(RUNNABLE or [None]),
    threads=st.integers(1, 4),
    data=st.data(),
)
def test_random_nets_rows_and_cuts(spec: Spec, dtype: str, variant: str, threads: int, data: st.DataObject) -> None:
    problem = replace(make_problem(spec, dtype), variant=variant)
    rnnfast.set_num_threads(1)
    expected = promised(problem)
    rnnfast.set_num_threads(threads)
    rows = data.draw(st.lists(st.integers(0, spec.batch - 1), min_size=1, max_size=20))
    assert_same_bits(pick(promised(rows_of(problem, rows)), OUTPUTS), rows_of_results(expected, rows))
    cuts = sorted(data.draw(st.lists(st.integers(0, spec.steps), max_size=5)))
    if spec.directions == 1:
        whole, got = pick(expected, OUTPUTS), run_as_calls(problem, cuts)
        if spec.masked_output == "hold":  # an output is held within one call
            del whole["y"], got["y"]
            whole, got = ({n: a for n, a in r.items() if n in ("h_n", "c_n")} for r in (whole, got))
        assert_same_bits(got, whole)
