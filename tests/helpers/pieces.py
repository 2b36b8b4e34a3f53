"""Problems run in pieces: on any target, and by hand, a call for every chunk with the state carried over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support import GRADIENTS, Results, outputs_of, pick, run, with_outputs
from targets import Target

from rnnfast.backends.common import whole
from rnnfast.problem import Problem
from rnnfast.segments.plan import Plan
from rnnfast.segments.runner import Segmented
from rnnfast.segments.slices import steps_of

SMALL: dict[str, Any] = {"steps": 11, "batch": 2, "input_size": 3, "hidden_size": 5}
"""Small enough for the emulator."""


def run_in_pieces(target: Target, problem: Problem, segment: int, chunk: int | None = None) -> Results:
    """Every result, in segments of so many steps, the gradient cut every `chunk`."""
    target.skip_unless_able(problem.cell)
    if not target.can_take(problem):
        pytest.skip("the emulator would take too long")
    plan = Plan(problem.steps, segment, problem.steps if chunk is None else chunk)
    return run(Segmented(target.backend, plan), replace(with_outputs(problem), variant=target.variant))


def run_by_hand(target: Target, problem: Problem, chunk: int) -> Results:
    """Calls of `chunk` steps of a net of one direction, each from the state the one before left, gradients summed."""
    uncut, state, calls = with_outputs(problem), (problem.h0, problem.c0), []
    for t0 in range(0, problem.steps, chunk):
        part = with_outputs(steps_of(problem, t0, min(t0 + chunk, problem.steps)))
        part.variant, (part.h0, part.c0) = target.variant, state
        calls.append(part)
        whole.forward(target.backend, part)
        state = part.h_n, part.c_n
    for part in reversed(calls):
        for name in GRADIENTS:
            setattr(part, name, getattr(uncut, name))
        if part is not calls[-1]:
            part.dh_n = part.dc_n = None
        whole.backward(part)
    sequences = {name: np.concatenate([getattr(part, name) for part in calls]) for name in ("y", "dx")}
    ends = {"h_n": calls[-1].h_n, "c_n": calls[-1].c_n, "dh0": calls[0].dh0, "dc0": calls[0].dc0}
    return {**sequences, **{n: a for n, a in ends.items() if a is not None}, **pick(outputs_of(uncut), GRADIENTS)}
