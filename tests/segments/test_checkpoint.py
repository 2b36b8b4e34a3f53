"""Checkpointing: gradients of segments that backward recomputes, the memory that a tape then needs, bad values."""

from __future__ import annotations

import itertools
import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from agreement import ALL_CELLS, BOTH_DTYPES, RAGGED, assert_agrees
from bits import DROPOUT, EVERY_VARIANT, PROMISED, assert_same_bits, make, promised
from nets import BACKEND, EVERY_KIND, KINDS, assert_same, map_state, normal, parts, states
from pieces import SMALL, run_in_pieces
from support import Results, Spec, make_problem, pick, run, with_outputs
from targets import ON_EVERY_TARGET, Target

import rnnfast
from rnnfast.backends.c import backend as c
from rnnfast.backends.common import whole
from rnnfast.calls.prepared import RECORDED
from rnnfast.problem import Problem
from rnnfast.segments.plan import BLOCK, Plan, choose, kept_bytes
from rnnfast.segments.runner import Segmented

NEEDS_C = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))
OPTIONS: dict[str, dict[str, Any]] = {
    "three layers": {"layers": 3},
    "ragged": RAGGED,
    "bare, two directions": {"bias": False, "states": False, "directions": 2},
    "held": {**RAGGED, "masked_output": "hold"},
    "held layers": {**RAGGED, **DROPOUT, "layers": 2, "masked_output": "hold", "first_row": 3},
    "everything": {**RAGGED, **DROPOUT, "layers": 2, "directions": 2, "masked_output": "hold", "first_row": 3},
}
EVERY_OPTION = pytest.mark.parametrize("option", OPTIONS)
LONG = {"steps": 200, "batch": 7, "input_size": 9, "hidden_size": 17}


@pytest.mark.covering(emulated=1)
@ON_EVERY_TARGET
@ALL_CELLS
@BOTH_DTYPES
@EVERY_OPTION
def test_every_backend_agrees_with_the_reference(target: Target, cell: str, dtype: str, option: str) -> None:
    spec = Spec(cell, **{**SMALL, **OPTIONS[option]})
    assert_agrees(run_in_pieces(target, make_problem(spec, dtype), segment=4), spec, dtype)


def in_segments(problem: Problem, segment: int) -> Results:
    plan = Plan(problem.steps, segment, problem.steps)
    return pick(run(Segmented(c, plan), with_outputs(problem)), PROMISED)


@NEEDS_C
@EVERY_VARIANT
@ALL_CELLS
@BOTH_DTYPES
@EVERY_OPTION
def test_the_same_bits(variant: str, cell: str, dtype: str, option: str) -> None:
    problem = make(variant, cell, dtype, **LONG, **OPTIONS[option])
    assert_same_bits(in_segments(problem, BLOCK), promised(problem))


@NEEDS_C
@ALL_CELLS
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("scale", [1, 1e-25])
def test_the_same_bits_around_segments_without_live_steps(cell: str, directions: int, scale: float) -> None:
    """Segments at both ends and in the middle. Gradients so small that they are zeros show their sign: it is that of
    what replaces the array, which what is added to zeros would lose."""
    problem = make(None, cell, "float32", **LONG, directions=directions, masked_output="hold")
    assert problem.x is not None and problem.dy is not None
    problem.x, problem.dy = (a * np.float32(scale) for a in (problem.x, problem.dy))
    if scale < 1:
        problem.dh_n = problem.dc_n = None
    problem.mask = np.zeros((problem.steps, problem.batch), np.uint8)
    problem.mask[70:75], problem.mask[129:140, ::2] = 1, 1
    for overwrite in (False, True):
        problem.overwrite = overwrite
        assert_same_bits(in_segments(problem, BLOCK), promised(problem))
    problem.mask[:] = 0
    assert_same_bits(in_segments(problem, BLOCK), promised(problem))


@NEEDS_C
@pytest.mark.parametrize("sizes", [(40, 33), (2, 260)], ids=["by rows", "by units"])
@pytest.mark.parametrize("directions", [1, 2])
def test_the_same_bits_on_several_threads(
    sizes: tuple[int, int], directions: int, number_of_threads_restored: None
) -> None:
    batch, hidden = sizes
    sequence = {"steps": 140, "batch": batch, "input_size": 9, "hidden_size": hidden}
    problem = make(None, "lstm", "float32", **sequence, directions=directions, layers=2)
    rnnfast.set_num_threads(1)
    expected = promised(problem)
    for threads, segment in ((1, BLOCK), (2, 2 * BLOCK), (3, BLOCK)):
        rnnfast.set_num_threads(threads)
        assert_same_bits(in_segments(problem, segment), expected)


@EVERY_KIND
@pytest.mark.parametrize(
    "options", [{}, {"bidirectional": True, "batch_first": True, "recurrent_dropout": 0.3}], ids=str
)
def test_whatever_the_tape_is_asked_for(kind: str, options: dict[str, Any]) -> None:
    net, steps = KINDS[kind](3, 4, num_layers=2, dtype="float64", seed=2, **options), 2 * BLOCK + 5
    first = options.get("batch_first", False)
    x, dy = normal(steps, 2, 3), normal(steps, 2, net.net.output_size, seed=3)
    x, dy = (a.swapaxes(0, 1) if first else a for a in (x, dy))
    state = states(kind, 2 * net.net.num_directions, 2, 4)

    def recorded(memory: Any) -> Any:
        return net.record(x, state, memory=memory, dropout_seed=1, keep=True)

    y, final, full = recorded("full")
    y_too, final_too, tape = recorded("checkpoint")
    assert_same((y_too, final_too, tape.gates()), (y, final, full.gates()))
    if kind == "lstm":
        assert_same(tape.cell_states, full.cell_states)
    expected = full.backward(dy, state)
    assert_same(tape.backward(dy, state), expected)
    into = tape.backward(dy, state)
    again = tape.backward(dy, state, need_x=False, out=into, accumulate=True)
    assert again.x is None and again.params is into.params
    assert_same(again.params, {name: 2 * a for name, a in expected.params.items()})
    alone = map_state(lambda a: np.ascontiguousarray(a[:, 0]), state)
    one = net.record(x[0] if first else x[:, 0], alone, memory="checkpoint", dropout_seed=1)[2]
    assert_same(one.backward(dy[0] if first else dy[:, 0], alone).state, map_state(lambda a: a[:, 0], expected.state))
    assert one.nbytes == 0
    with pytest.raises(RuntimeError, match="keep=True"):
        one.gates()


@EVERY_KIND
@pytest.mark.parametrize("steps, batch", [(0, 2), (1, 2), (3 * BLOCK, 0)])
def test_few_steps_or_no_rows(kind: str, steps: int, batch: int) -> None:
    net, x = KINDS[kind](3, 4, bidirectional=True, dtype="float64", seed=2), normal(steps, batch, 3)
    y, final, tape = net.record(x)
    expected = tape.backward(y)
    y_too, final_too, tape = net.record(x, memory="checkpoint", truncate=2 * BLOCK)
    assert_same((y_too, final_too), (y, final))
    assert_same(tape.backward(y), expected)


def measured(net: Any, x: Any, **options: Any) -> tuple[int, int, int]:
    """Bytes that a tape holds beside y and the final state, those in use at most in backward, and those it tells."""
    out = net.record(x)[2].backward()  # and what is made once: caches, scratch memory
    net.record(x, **options)[2].backward(out=out)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        y, final, tape = net.record(x, **options)
        told, kept = tape.nbytes, tracemalloc.get_traced_memory()[0] - before - y.nbytes
        kept -= sum(a.nbytes for a in parts(final))
        tracemalloc.reset_peak()
        tape.backward(out=out)
        peak = tracemalloc.get_traced_memory()[1] - before - y.nbytes
        return kept, peak, told
    finally:
        tracemalloc.stop()


MEMORY_NETS: dict[str, Any] = {
    "rnn": rnnfast.RNN,
    "lstm": rnnfast.LSTM,
    "gru": rnnfast.GRU,
    "gru_before": lambda *sizes, **options: rnnfast.GRU(*sizes, reset_after=False, **options),
}


MEMORY_OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "layers": {"num_layers": 2, "dropout": 0.5},
    "two directions": {"num_layers": 2, "bidirectional": True, "recurrent_dropout": 0.5},
}
MEASURED = [
    *itertools.product(("c", "numba"), MEMORY_NETS, MEMORY_OPTIONS),
    *(("reference", kind, "plain") for kind in MEMORY_NETS),  # which takes seconds for each
    ("reference", "lstm", "two directions"),
]


@pytest.mark.parametrize(("backend", "kind", "option"), MEASURED)
def test_bytes_that_a_tape_keeps(backend: str, kind: str, option: str) -> None:
    options = MEMORY_OPTIONS[option]
    if reason := rnnfast.backends()[backend]:
        pytest.skip(reason)
    net = MEMORY_NETS[kind](24, 32, backend=backend, seed=0, **options)
    x = normal(3 * BLOCK, 32, 24).astype(np.float32)
    parts_of_step = net.net.num_layers * net.net.num_directions
    small = 2500 * len(x) * parts_of_step if backend == "reference" else 100_000  # Python's objects
    kept, _, told = measured(net, x)
    assert abs(kept - told) < 0.02 * told + small
    full = told
    kept, peak, told = measured(net, x, memory="checkpoint")
    assert kept < told < 0.7 * full
    if backend == "c":  # the others' backward makes arrays as it goes
        between_layers = x.nbytes // 24 * 2 * 32 if "bidirectional" in options else 0
        assert peak < 1.05 * told + small + between_layers + 2 * net.net.num_parameters * x.itemsize


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_a_twentieth_is_kept_of_a_long_sequence(kind: str) -> None:
    net = MEMORY_NETS[kind](256, 256, backend=BACKEND, seed=0)
    problem = net._engine().problem(RECORDED, 10_000, 8)
    plans = [choose(net._engine().backend, problem, memory, None) for memory in ("full", "checkpoint")]
    full, least = (kept_bytes(net._engine().backend, problem, plan) for plan in plans)
    assert least < 0.05 * full


@EVERY_KIND
def test_as_many_bytes_as_are_allowed(kind: str) -> None:
    net, x = KINDS[kind](5, 8, bidirectional=True, seed=0), normal(40 * BLOCK, 2, 5).astype(np.float32)
    full, least = (net.record(x, memory=memory)[2].nbytes for memory in ("full", "checkpoint"))
    assert net.record(x, memory=full)[2].nbytes == full
    assert net.record(x, memory=np.int64(least))[2].nbytes == least
    assert least < net.record(x, memory=full - 1)[2].nbytes < full
    with pytest.raises(ValueError, match=f"memory is {least - 1} bytes, this call needs {least} at least and {full}"):
        net.record(x, memory=least - 1)


def test_other_values_of_memory_are_refused() -> None:
    net, x = rnnfast.LSTM(3, 4, backend=BACKEND), np.zeros((5, 2, 3), np.float32)
    seed = net.record(x)[2].dropout_seed
    with pytest.raises(ValueError, match="memory is 'small', expected 'full', 'checkpoint' or a number of bytes"):
        net.record(x, memory="small")
    with pytest.raises(ValueError, match="memory is -1, expected at least 0"):
        net.record(x, memory=-1)
    for wrong in (1e9, None, True, np.zeros(2)):
        with pytest.raises(TypeError, match=f"memory must be 'full', .* got {type(wrong).__name__}"):
            net.record(x, memory=wrong)
    assert net.record(x)[2].dropout_seed == seed + 1


@NEEDS_C
@pytest.mark.parametrize(
    ("part", "error"),
    [
        ({"only_direction": 3}, "range"),
        ({"only_direction": 1, "num_directions": 2}, "range"),
        ({"first_step": -1}, "range"),
        ({"first_step": 2**32}, "range"),
        ({"first_layer": -1}, "range"),
        ({"first_layer": 1}, "input_size"),
    ],
    ids=str,
)
def test_parts_of_no_net_are_refused(part: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        whole.forward(c, replace(make_problem(Spec(directions=part.get("num_directions", 1))), **part))
