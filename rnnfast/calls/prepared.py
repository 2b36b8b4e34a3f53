"""Calls like an earlier one but for their numbers: checks and the backend's record are done once for each shape."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rnnfast.arrays.layout import Layout
from rnnfast.backends.contract import Bound
from rnnfast.calls import states
from rnnfast.calls.engine import Engine
from rnnfast.problem import Array, Problem

SHAPES_KEPT = 64
"""Of x, for each net."""


class Known(NamedTuple):
    """What an earlier call settled."""

    bound: Bound
    steps: int
    batch: int
    layout: Layout
    x_shape: tuple[int, ...]
    y_shape: tuple[int, ...]
    state_shape: tuple[int, ...]


class Done(NamedTuple):
    """What a call gave."""

    known: Known
    start: tuple[Array, ...]
    y: Array
    final: tuple[Array, ...]
    reserve: Any


class Recorded(NamedTuple):
    """What a recorded call leaves for backward. Inputs as views: the caller's own arrays can get another shape."""

    known: Known
    how: str
    dropout_seed: int
    x: Array
    start: tuple[Array, ...]
    reserve: Any


def run(engine: Engine, x: Any, state: Any, how: str = "", dropout_seed: int = 0) -> Done | None:
    """A call with no more than x and a state, of a shape seen before under the same `how`; None for any other."""
    if type(x) is not np.ndarray or (known := engine.repeated.get((how, x.shape))) is None:
        return None
    net = engine.net
    if not x.flags.carray or x.dtype is not net.dtype or known.bound.is_stale():
        return None
    if (start := plain_state(engine, known, state)) is None:
        return None
    if engine.packed is None:
        engine.parameters.check()
    y = np.empty(known.y_shape, net.dtype)
    final = tuple([np.empty(known.state_shape, net.dtype) for _ in net.states])
    return Done(known, start, y, final, known.bound.run(x, y, start, final, dropout_seed))


def recorded(done: Done, how: str, dropout_seed: int, x: Array) -> Recorded:
    """Of a call that was recorded."""
    return Recorded(done.known, how, dropout_seed, x.view(), tuple([a.view() for a in done.start]), done.reserve)


def plain_state(engine: Engine, known: Known, state: Any) -> tuple[Array, ...] | None:
    """A state's arrays, () for None, if they can be used as they are; None where they need another look."""
    net = engine.net
    if state is None:
        return ()
    found = state if len(net.states) > 1 else (state,)
    if type(found) is not tuple or len(found) != len(net.states):
        return None
    for array in found:
        if type(array) is not np.ndarray or array.shape != known.state_shape:
            return None
        if array.dtype is not net.dtype or not array.flags.carray:
            return None
    return found


def remember(engine: Engine, x: Any, problem: Problem, layout: Layout, y: Array, how: str = "") -> None:
    """Keep what a call did with a dense x, so that `run` can serve the next one."""
    if type(x) is not np.ndarray or not x.flags.carray or x.size == 0:
        return
    if (bound := engine.backend.bind(problem)) is not None:
        if len(engine.repeated) >= SHAPES_KEPT:
            engine.repeated.clear()
        shape = states.shape_of(engine.net, layout, problem.batch)
        engine.repeated[how, x.shape] = Known(bound, problem.steps, problem.batch, layout, x.shape, y.shape, shape)
