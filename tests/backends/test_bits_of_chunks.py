"""Equal bits of every step on the C backend: in one call, in chunks, one by one, streamed and frozen."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from agreement import ALL_CELLS, BOTH_DTYPES, RAGGED
from bits import DROPOUT, EVERY_VARIANT, assert_same_bits, make, promised, run_as_calls, run_on_one_reserve
from c_records import Record
from support import OUTPUTS, copy_of, outputs_of, pick

import rnnfast
from rnnfast.backends.c import backend as c
from rnnfast.backends.c.library import library
from rnnfast.backends.common import whole
from rnnfast.problem import CELLS

pytestmark = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))

ONE_DIRECTION: dict[str, dict[str, Any]] = {
    "plain": {"steps": 24, "batch": 3, "input_size": 9, "hidden_size": 17},
    "ragged layers": {"steps": 24, "batch": 5, "input_size": 20, "hidden_size": 33, "layers": 2, **RAGGED},
    "without states": {"steps": 24, "batch": 1, "input_size": 3, "hidden_size": 40, "states": False, "bias": False},
}
CHUNKS = {"steps": range(1, 24), "halves": [12], "uneven": [1, 2, 9, 17, 23], "empty": [0, 7, 7, 24]}
MODULES = {
    **{f"rnn_{name}": partial(rnnfast.RNN, nonlinearity=name) for name in ("tanh", "relu", "linear")},
    "lstm": rnnfast.LSTM,
    "lstm_proj": partial(rnnfast.LSTM, proj_size=6),
    "gru": rnnfast.GRU,
    "gru_before": partial(rnnfast.GRU, reset_after=False),
}
STEP_CELLS = {
    **{f"rnn_{name}": partial(rnnfast.RNNCell, nonlinearity=name) for name in ("tanh", "relu", "linear")},
    "lstm": rnnfast.LSTMCell,
    "gru": rnnfast.GRUCell,
    "gru_before": partial(rnnfast.GRUCell, reset_after=False),
}


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
    uncut, parts = copy_of(problem), copy_of(problem)
    whole.forward(c, uncut)
    for t0, t1 in ((0, 1), (1, 10), (10, 23), (23, 24)):
        Record(parts).run("rf_forward", t0=t0, t1=t1)
        parts.h0, parts.c0 = (None if a is None else a.copy() for a in (parts.h_n, parts.c_n))
    names = ("y", "h_n", "c_n")
    assert_same_bits(pick(outputs_of(parts), names), pick(outputs_of(uncut), names))


@EVERY_VARIANT
@ALL_CELLS
@BOTH_DTYPES
@pytest.mark.parametrize("batch", [1, 5])
def test_stepped_streamed_frozen_and_recorded(variant: str, cell: str, dtype: str, batch: int) -> None:
    module = MODULES[cell](9, 17, dtype=dtype, seed=3, backend=f"c:{variant}")
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
    if cell not in STEP_CELLS:
        return
    step_cell = STEP_CELLS[cell](9, 17, dtype=dtype, backend=f"c:{variant}")
    step_cell.load_state_dict({name.removesuffix("_l0"): a for name, a in module.state_dict().items()})
    stepped = [step_cell(x[0])]
    for x_t in x[1:]:
        stepped.append(step_cell(x_t, stepped[-1]))
    hs = [s[0] if len(names) > 1 else s for s in stepped]
    assert_same(hs, tuple(a[None] for a in stepped[-1]) if len(names) > 1 else stepped[-1][None])
