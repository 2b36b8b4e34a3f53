"""Calls like an earlier one but for their numbers: checks and the backend's record are done once for each shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.engine import Engine
from rnnfast.problem import Array, Problem

SHAPES_KEPT = 64
"""Of x, for each net."""


def forward(engine: Engine, x: Any, state: Any) -> tuple[Array, tuple[Array, ...]] | None:
    """y and final states of a call with no more than x and a state, of a shape seen before; None for any other."""
    if type(x) is not np.ndarray or (known := engine.repeated.get(x.shape)) is None:
        return None
    bound, y_shape, state_shape = known
    net = engine.net
    if not x.flags.carray or x.dtype is not net.dtype or bound.is_stale():
        return None
    start = () if state is None else state if len(net.states) > 1 else (state,)
    if type(start) is not tuple or (state is not None and len(start) != len(net.states)):
        return None
    for array in start:
        if type(array) is not np.ndarray or array.shape != state_shape:
            return None
        if array.dtype is not net.dtype or not array.flags.carray:
            return None
    if engine.packed is None:
        engine.parameters.check()
    y = np.empty(y_shape, net.dtype)
    final = tuple([np.empty(state_shape, net.dtype) for _ in net.states])
    bound.run(x, y, start, final)
    return y, final


def remember(engine: Engine, x: Any, problem: Problem, y: Array, final: tuple[Array, ...]) -> None:
    """Keep what a call did with a dense x, so that `forward` can serve the next one."""
    if type(x) is not np.ndarray or not x.flags.carray or x.size == 0:
        return
    if (bound := engine.backend.bind(problem)) is not None:
        if len(engine.repeated) >= SHAPES_KEPT:
            engine.repeated.clear()
        engine.repeated[x.shape] = bound, y.shape, final[0].shape
