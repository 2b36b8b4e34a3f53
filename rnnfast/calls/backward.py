"""Back-propagation of a repeated call: like an earlier one but for its numbers, it needs no more than new arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rnnfast.backends.contract import BackwardArrays
from rnnfast.calls import states
from rnnfast.calls.engine import Engine
from rnnfast.calls.gradients import Gradients
from rnnfast.calls.prepared import Recorded, plain_state


def run(
    engine: Engine, recorded: Recorded, spend: Callable[[], Any], dy: Any, d_state: Any, need_x: bool
) -> Gradients[Any] | None:
    """The gradients, in new arrays; None where dy or d_state need another look than at their shape and dtype.

    `spend` is called once all is well.
    """
    net, known = engine.net, recorded.known
    dtype = net.dtype
    if dy is not None and (
        type(dy) is not np.ndarray or dy.shape != known.y_shape or dy.dtype is not dtype or not dy.flags.carray
    ):
        return None
    if known.bound.is_stale() or (d_final := plain_state(engine, known, d_state)) is None:
        return None
    engine.parameters.check()
    dx = np.empty(known.x_shape, dtype) if need_x else None
    d_start = [np.empty(known.state_shape, dtype) for _ in net.states]
    params = {name: np.empty(shape, dtype) for name, shape in net.shapes.items()}
    spend()
    x = known.layout.sequence(recorded.x)
    arrays = BackwardArrays(x, dy, d_final, dx, d_start, net.tables(params))
    known.bound.backward(recorded.reserve, arrays)
    return Gradients(dx, states.joined(d_start), params)
