"""Equal bits: nets to ask them of, results compared, and problems cut: into rows of the batch, into chunks of steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from agreement import RAGGED
from c_records import call, reserve_of
from support import GRADIENTS, OUTPUTS, Results, Spec, copy_of, make_problem, outputs_of, pick, run, with_outputs

from rnnfast.backends.c import backend as c
from rnnfast.backends.common import whole
from rnnfast.problem import Array, Problem

RUNNABLE = [name for name in c.variants() if c.reason(name) is None]
FUSED = [name for name in RUNNABLE if name != "scalar"]
"""Instruction sets with fused multiply-add, all of which give the same bits."""
EVERY_VARIANT = pytest.mark.parametrize("variant", RUNNABLE)
PROMISED = (*OUTPUTS, *GRADIENTS)
"""What is promised to the bit: by row of the batch the outputs, by call the parameters' gradients too."""
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
    # Weights that one product uses, and that it packs itself.
    "one step": {"steps": 1, "input_size": 150, "hidden_size": 137},
}
EVERY_NET = pytest.mark.parametrize("net", NETS)
OF_A_STEP = ("x", "dy", "mask", "resets")
OF_A_ROW = (*OF_A_STEP, "h0", "c0", "dh_n", "dc_n")


def make(variant: str | None, cell: str, dtype: str, **words: Any) -> Problem:
    """A problem for one instruction set of the C backend."""
    return replace(make_problem(Spec(cell, **words), dtype), variant=variant)


def bits(a: Array) -> Array:
    """Numbers as the integers of their bits; everything that is no number as one and the same."""
    return np.where(np.isnan(a), a.dtype.type(np.nan), a).view(f"u{a.itemsize}")


def assert_same_bits(got: Results, expected: Results) -> None:
    """The same names and bits."""
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(bits(got[name]), bits(value), err_msg=name)


def promised(problem: Problem, variant: str | None = None) -> Results:
    """All of a problem that is promised to the bit; the problem's own outputs stay as they are."""
    return pick(run(c, replace(copy_of(problem), variant=variant or problem.variant)), PROMISED)


def changed(problem: Problem, names: Sequence[str], change: Callable[[Array], Array]) -> dict[str, Any]:
    """Those of the named arrays that there are, changed."""
    return {name: change(getattr(problem, name)) for name in names if getattr(problem, name) is not None}


def rows_of(problem: Problem, rows: Any) -> Problem:
    """These rows of the batch as a problem of their own."""
    parts = changed(problem, OF_A_ROW, lambda a: a[:, rows].copy()) | changed(
        problem, ["lengths"], lambda a: a[rows].copy()
    )
    return with_outputs(replace(problem, batch=parts["x"].shape[1], **parts))


def rows_of_results(results: Results, rows: Any) -> Results:
    """What belongs to these rows of the batch."""
    return {name: a[:, rows] for name, a in pick(results, OUTPUTS).items()}


def assert_rows_agree(compute: Callable[[Problem], Results], problem: Problem, sizes: Iterable[int]) -> None:
    """Stretches of so many rows, one after another and then from the first again, have their bits in the batch."""
    expected, first = compute(problem), 0
    for size in sizes:
        rows = slice(first, min(first + size, problem.batch))
        part = replace(rows_of(problem, rows), first_row=first)
        assert_same_bits(pick(compute(part), OUTPUTS), rows_of_results(expected, rows))
        first = rows.stop % problem.batch


def steps_of(problem: Problem, t0: int, t1: int) -> Problem:
    """The steps [t0, t1) as a problem of its own, its states still to be given."""
    parts = changed(problem, OF_A_STEP, lambda a: a[t0:t1]) | changed(
        problem, ["lengths"], lambda a: np.clip(a - t0, 0, t1 - t0)
    )
    return with_outputs(replace(problem, steps=t1 - t0, **parts))


def chained(parts: list[Problem], forward: Callable[[int, Problem], None], backward: Any) -> dict[str, Any]:
    """Forward over all parts, the state handed on, and backward in reverse, its gradient handed on.

    Returns what the first and the last part then hold of the whole: final states and the gradients of the first ones.
    """
    for i, part in enumerate(parts):
        if i:
            part.h0, part.c0 = parts[i - 1].h_n, parts[i - 1].c_n
        forward(i, part)
    for i, part in reversed(list(enumerate(parts))):
        if i + 1 < len(parts):
            part.dh_n, part.dc_n = parts[i + 1].dh0, parts[i + 1].dc0
        backward(i, part)
    first, last = parts[0], parts[-1]
    ends = {"h_n": last.h_n, "c_n": last.c_n, "dh0": first.dh0, "dc0": first.dc0}
    return {name: a for name, a in ends.items() if a is not None}


def run_as_calls(problem: Problem, cuts: Sequence[int]) -> Results:
    """Forward and backward in calls of their own for the steps between cuts: all that a chunk promises."""
    parts = [steps_of(problem, t0, t1) for t0, t1 in pairwise([0, *cuts, problem.steps])]
    ends = chained(parts, lambda _, part: whole.forward(c, part), lambda _, part: whole.backward(part))
    return {name: np.concatenate([getattr(part, name) for part in parts]) for name in ("y", "dx")} | ends


def run_on_one_reserve(problem: Problem, cuts: Sequence[int]) -> Results:
    """The same by rf_forward and rf_backward on [t0, t1) of one problem, whose tape lies in one reserve."""
    chunks = list(pairwise([0, *cuts, problem.steps]))
    reserve = reserve_of(problem)
    fresh = with_outputs(problem)
    results = {name: getattr(fresh, name) for name in ("y", "dx", *GRADIENTS)}

    parts = [replace(with_outputs(problem), **results) for _ in chunks]
    ends = chained(
        parts,
        lambda i, part: call(part, reserve, *chunks[i], "rf_forward"),
        lambda i, part: call(part, reserve, *chunks[i], "rf_backward"),
    )
    return outputs_of(replace(parts[0], **ends, state_grad_norms=None))
