"""A call of a frozen net on the device for fixed arrays, captured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rnnfast.backends.contract import ForwardArrays
from rnnfast.calls import states
from rnnfast.calls.arguments import read_layout
from rnnfast.calls.prepared import INFERENCE, Engine


def capture(engine: Engine, x: Any, state: Any) -> tuple[Callable[[], None], Any, Any]:
    """Run a call; return what runs it again, its y and its final state, which that writes again.

    Raises as calls do, and ValueError for an array that would have to be copied.
    """
    access: Any = engine.access(x)  # the device's
    array, net, dtype = access.fixed("x", x), engine.net, engine.dtype
    layout = read_layout(engine, array, x)
    prepared = engine.prepared(INFERENCE, array.shape, layout)
    if state is not None:
        for name, value in states.parts("state", state, net):
            if value is not None:
                access.fixed(name, value, dense=True)
    start = states.read("state", state, net, prepared.state_shapes, access)
    y, final = access.new(prepared.y_shape, dtype), [access.new(shape, dtype) for shape in prepared.state_shapes]
    bound: Any = prepared.bound
    replay = bound.capture(ForwardArrays(array, y, start, final, library=access.library))
    return replay, access.result(y), states.joined([access.result(part) for part in final])
