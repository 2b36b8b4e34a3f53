"""Equal bits on the C backend: whatever the batch, the chunks, the threads, the instruction set and the memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from agreement import ALL_CELLS, BOTH_DTYPES, RAGGED
from bits import (
    EVERY_VARIANT,
    PROMISED,
    RUNNABLE,
    assert_same_bits,
    promised,
    rows_of,
    rows_of_results,
    run_as_calls,
    run_on_one_reserve,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from support import LAYOUTS, OUTPUTS, Spec, copy_of, make_problem, outputs_of, pick, run

import rnnfast
from rnnfast.backends import c
from rnnfast.backends.c_library import library
from rnnfast.problem import CELLS, Problem

pytestmark = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))

FUSED = [name for name in RUNNABLE if name != "scalar"]
"""Instruction sets with fused multiply-add, all of which give the same bits."""
DROPOUT = {"dropout": 0.5, "input_dropout": 0.25, "recurrent_dropout": 0.3}
NETS: dict[str, dict[str, Any]] = {
    "plain": {"steps": 20, "input_size": 9, "hidden_size": 17},
    "all options": {
        "steps": 9,
        "input_size": 9,
        "hidden_size": 33,
        "layers": 2,
        "directions": 2,
        "masked_output": "hold",
        **RAGGED,
        **DROPOUT,
    },
    # More inputs and units than one part of any product sums at once.
    "wide": {"steps": 3, "input_size": 300, "hidden_size": 137},
}
EVERY_NET = pytest.mark.parametrize("net", NETS)
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
ONE_DIRECTION: dict[str, dict[str, Any]] = {
    "plain": {"steps": 24, "batch": 3, "input_size": 9, "hidden_size": 17},
    "ragged layers": {"steps": 24, "batch": 5, "input_size": 20, "hidden_size": 33, "layers": 2, **RAGGED},
    "without states": {"steps": 24, "batch": 1, "input_size": 3, "hidden_size": 40, "states": False, "bias": False},
}
CHUNKS = {"steps": range(1, 24), "halves": [12], "uneven": [1, 2, 9, 17, 23], "empty": [0, 7, 7, 24]}
MODULES = {
    **{f"rnn_{name}": partial(rnnfast.RNN, nonlinearity=name) for name in ("tanh", "relu", "linear")},
    "lstm": rnnfast.LSTM,
    "gru": rnnfast.GRU,
    "gru_before": partial(rnnfast.GRU, reset_after=False),
}
STEP_CELLS = {
    **{f"rnn_{name}": partial(rnnfast.RNNCell, nonlinearity=name) for name in ("tanh", "relu", "linear")},
    "lstm": rnnfast.LSTMCell,
    "gru": rnnfast.GRUCell,
    "gru_before": partial(rnnfast.GRUCell, reset_after=False),
}


@pytest.fixture(autouse=True)
def number_of_threads_restored() -> Iterator[None]:
    """Whatever a test sets."""
    n = rnnfast.get_num_threads()
    yield
    rnnfast.set_num_threads(n)


def make(variant: str | None, cell: str, dtype: str, **words: Any) -> Problem:
    """A problem for one instruction set of the C backend."""
    return replace(make_problem(Spec(cell, **words), dtype), variant=variant)


def every_result(problem: Problem) -> dict[str, Any]:
    """All results but norms, which are sums over rows in whatever order is fast."""
    results = run(c, copy_of(problem))
    del results["state_grad_norms"]
    return results


@EVERY_VARIANT
@ALL_CELLS
@BOTH_DTYPES
@EVERY_NET
def test_a_sequence_alone_and_in_every_batch(variant: str, cell: str, dtype: str, net: str) -> None:
    problem = make(variant, cell, dtype, **NETS[net], batch=37)
    expected = promised(problem)
    first = 0
    for size in (*range(1, 14), 36, 1):
        rows = slice(first % 37, first % 37 + size)
        part = replace(rows_of(problem, rows), first_row=rows.start)
        assert_same_bits(pick(promised(part), OUTPUTS), rows_of_results(expected, slice(rows.start, rows.stop)))
        first = rows.stop


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
@pytest.mark.parametrize("net", ONE_DIRECTION)
@pytest.mark.parametrize("chunks", CHUNKS)
def test_calls_chained_over_chunks_of_steps(variant: str, cell: str, dtype: str, net: str, chunks: str) -> None:
    problem = make(variant, cell, dtype, **ONE_DIRECTION[net])
    assert_same_bits(run_as_calls(problem, CHUNKS[chunks]), pick(promised(problem), OUTPUTS))


@EVERY_VARIANT
@ALL_CELLS
@BOTH_DTYPES
@pytest.mark.parametrize("masked_output", ["zero", "hold"])
def test_chunks_of_one_reserve(variant: str, cell: str, dtype: str, masked_output: str) -> None:
    sizes = {"steps": 200, "batch": 9, "input_size": 9, "hidden_size": 17, "layers": 2}
    problem = make(variant, cell, dtype, **sizes, **RAGGED, **DROPOUT, masked_output=masked_output)
    expected, block = promised(problem), library()[1].RF_BLOCK_STEPS
    for cuts in (range(block, 200, block), [block], [0, 3 * block, 200]):
        assert_same_bits(run_on_one_reserve(problem, cuts), expected)


@EVERY_VARIANT
@ALL_CELLS
@BOTH_DTYPES
def test_inference_in_chunks_that_hold_the_last_output(variant: str, cell: str, dtype: str) -> None:
    problem = make(variant, cell, dtype, steps=24, batch=7, layers=2, **RAGGED, masked_output="hold")
    problem.record = False
    whole, parts = copy_of(problem), copy_of(problem)
    c.forward(whole)
    for t0, t1 in ((0, 1), (1, 10), (10, 23), (23, 24)):
        call = c._Call(parts)
        call.record.t0, call.record.t1 = t0, t1
        call.run(call.lib.rf_forward)
        parts.h0, parts.c0 = (None if a is None else a.copy() for a in (parts.h_n, parts.c_n))
    names = ("y", "h_n", "c_n")
    assert_same_bits(pick(outputs_of(parts), names), pick(outputs_of(whole), names))


@EVERY_VARIANT
@ALL_CELLS
@BOTH_DTYPES
@pytest.mark.parametrize("batch", [1, 5])
def test_stepped_streamed_frozen_and_recorded(variant: str, cell: str, dtype: str, batch: int) -> None:
    module = MODULES[cell](9, 17, dtype=dtype, seed=3, backend=f"c:{variant}")
    step_cell = STEP_CELLS[cell](9, 17, dtype=dtype, backend=f"c:{variant}")
    step_cell.load_state_dict({name.removesuffix("_l0"): a for name, a in module.state_dict().items()})
    x = np.random.default_rng(4).standard_normal((12, batch, 9)).astype(dtype)
    y, state = module(x)
    names = ("h", "c")[: len(CELLS[cell].states)]

    def assert_same(y_too: Any, state_too: Any) -> None:
        states = [dict(zip(names, s if len(names) > 1 else (s,), strict=True)) for s in (state_too, state)]
        assert_same_bits({"y": np.asarray(y_too), **states[0]}, {"y": y, **states[1]})

    stream = module.stream(batch)
    assert_same([stream.step(x_t) for x_t in x], stream.state)
    assert_same(*module.freeze()(x))
    assert_same(*module.record(x)[:2])
    stepped = [step_cell(x[0])]
    for x_t in x[1:]:
        stepped.append(step_cell(x_t, stepped[-1]))
    hs = [s[0] if len(names) > 1 else s for s in stepped]
    assert_same(hs, tuple(a[None] for a in stepped[-1]) if len(names) > 1 else stepped[-1][None])


@EVERY_VARIANT
@ALL_CELLS
@BOTH_DTYPES
@EVERY_NET
def test_packed_weights_and_inference(variant: str, cell: str, dtype: str, net: str) -> None:
    options = {name: value for name, value in NETS[net].items() if name not in DROPOUT}
    problem = make(variant, cell, dtype, **options, batch=7)
    expected = pick(promised(problem), ("y", "h_n", "c_n"))
    for packed in (None, c.pack(problem)):
        plain = replace(copy_of(problem), packed=packed, record=False)
        c.forward(plain)
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


@EVERY_VARIANT
@BOTH_DTYPES
@pytest.mark.parametrize("batch", [1, 65])
def test_states_below_the_normal_numbers_are_zeros(variant: str, dtype: str, batch: int) -> None:
    tiny, halvings, size = np.finfo(dtype).tiny, 5, 64
    problem = make(variant, "rnn_linear", dtype, steps=12, batch=batch, input_size=40, hidden_size=size, bias=False)
    problem.x[...], problem.dy[...], problem.weight_hh[0][...] = 0, 0, 0.5 * np.eye(size)
    problem.h0[...] = problem.dh_n[...] = tiny * 2**halvings
    rnnfast.set_num_threads(3)
    results = promised(problem)
    np.testing.assert_array_equal(results["y"][:halvings, 0, 0], tiny * 2.0 ** np.arange(halvings)[::-1])
    assert not results["y"][halvings:].any() and not results["h_n"].any() and not results["dh0"].any()
    for name, a in results.items():
        assert not ((a != 0) & (np.abs(a) < tiny)).any(), name


@EVERY_VARIANT
@ALL_CELLS
@BOTH_DTYPES
def test_inputs_below_the_normal_numbers_count_as_zeros(variant: str, cell: str, dtype: str) -> None:
    problem = make(variant, cell, dtype, batch=3, input_size=4, hidden_size=9, bias=False, states=False, scale=1e20)
    problem.x[...] = np.finfo(dtype).smallest_subnormal * 1000
    assert (problem.x != 0).all()
    y = promised(problem)["y"]
    problem.x[...] = 0
    np.testing.assert_array_equal(y, promised(problem)["y"])


@EVERY_VARIANT
@BOTH_DTYPES
def test_the_callers_floating_point_mode_is_restored(variant: str, dtype: str) -> None:
    tiny = np.array([np.finfo(dtype).tiny], dtype)
    problem = make(variant, "lstm", dtype, batch=70, input_size=64, hidden_size=64)
    rnnfast.set_num_threads(3)
    promised(problem)
    c.pack(problem)
    c.elementwise("exp", tiny, variant)
    c.fma_loop(dtype, 1, variant)
    assert (tiny / 2 > 0).all() and (tiny / 2 * 2 == tiny).all() and (tiny / 2 + tiny / 4 > tiny / 2).all()
