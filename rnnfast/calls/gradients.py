"""The gradients that `backward` returns, and the arrays they are written to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from rnnfast.arrays import host
from rnnfast.arrays.access import Access
from rnnfast.calls import states
from rnnfast.calls.outputs import Outputs
from rnnfast.calls.prepared import Engine, Prepared
from rnnfast.checks.overlap import check_all_apart
from rnnfast.net.description import Net
from rnnfast.problem import Array

StateT = TypeVar("StateT")
"""What a module's state is: an array h, or for the LSTM a tuple (h, c)."""


@dataclass(slots=True, eq=False)
class Gradients(Generic[StateT]):
    """Derivatives of a loss, each shaped like what it belongs to."""

    x: Array | None
    """By x; None with `need_x=False`."""
    state: StateT
    """By the state before the first step: h, or (h, c)."""
    params: dict[str, Array]
    """By the parameters, under their names."""
    state_norms: dict[str, Array] | None = None
    """With `monitor=True`, by name of each state (h, for the LSTM also c), (T, L·D) float64: the norms ‖dL/dh_t‖ and
    ‖dL/dc_t‖ over the units of all rows live at step t, 0 where none is. t is the time of x for both directions.
    dL/dc_t counts all that c_t does, what it does by way of h_t included."""

    @property
    def states(self) -> tuple[Array, ...]:
        """By the state, in any case as a tuple: (h,) or (h, c)."""
        return self.state if isinstance(self.state, tuple) else (self.state,)  # type: ignore[return-value]

    @property
    def arrays(self) -> list[Array]:
        """All of them, norms aside."""
        return [*([] if self.x is None else [self.x]), *self.states, *self.params.values()]


def new_gradients(engine: Engine, prepared: Prepared, access: Access, need_x: bool) -> Gradients[Any]:
    """Return new arrays for every gradient."""
    net, dtype, shape = engine.net, engine.dtype, prepared.state_shape
    empty: Any = np.empty if access is host else access.empty
    x = empty(prepared.x_shape, dtype) if need_x else None
    state = (empty(shape, dtype), empty(shape, dtype)) if engine.two_states else empty(shape, dtype)
    return Gradients(x, state, {name: empty(shape, dtype) for name, shape in net.shapes.items()})


def given_gradients(engine: Engine, prepared: Prepared, access: Access, need_x: bool, out: Any) -> Gradients[Any]:
    """Return the arrays of `out`, checked, with new ones for what it lacks; none of them is changed yet."""
    net, dtype = engine.net, engine.dtype
    given = out if isinstance(out, Gradients) else Gradients(None, None, out)
    x, state, params = given.x if need_x else None, given.state, _named(given.params, net)
    parts = state if type(state) is tuple else (state,)
    arrays = (x, *parts, *map(params.__getitem__, net.shapes))
    if prepared.outputs is None or not prepared.outputs.are(arrays):
        _check(engine, prepared, access, x, state, params)
        prepared.outputs = Outputs(arrays) if access is host else None
    if x is None and need_x:
        x = access.empty(prepared.x_shape, dtype)
    if any(part is None for part in parts):
        labelled = states.parts("out.state", state, net)
        filled = [access.empty(prepared.state_shape, dtype) if part is None else part for _, part in labelled]
        state = states.joined(filled)
    return Gradients(x, state, params)


def _check(engine: Engine, prepared: Prepared, access: Access, x: Any, state: Any, params: dict[str, Array]) -> None:
    """Raise ValueError or TypeError where an array does not fit, or shares memory with another or a parameter."""
    net = engine.net
    if x is not None:
        access.check_output("out.x", x, prepared.x_shape, net.dtype, net.name, dense=False)
    labelled_parts = states.parts("out.state", state, net)
    dense = [(label, part, prepared.state_shape) for label, part in labelled_parts if part is not None]
    dense += [(f"out[{name!r}]", params[name], expected) for name, expected in net.shapes.items()]
    for label, array, expected in dense:
        access.check_output(label, array, expected, net.dtype, net.name, dense=True)
    labelled = [("out.x", x)] * (x is not None) + [(label, array) for label, array, _ in dense]
    frames = [access.frame(array) for _, array in labelled]
    check_all_apart([label for label, _ in labelled], frames, engine.parameters.frames)


def state_norms(prepared: Prepared, net: Net) -> tuple[Array, dict[str, Array]]:
    """Return an array (T, L·D, 2) of zeros for backward to fill with norms, and its parts by name of each state."""
    norms = np.zeros((prepared.steps, net.num_layers * net.num_directions, 2))
    return norms, {name: norms[:, :, column] for column, name in enumerate(net.states)}


def _named(params: Any, net: Net) -> dict[str, Array]:
    """Return a dict of gradients as it is. Raises unless every parameter's name is there, and no other."""
    expected = net.shapes
    if not isinstance(params, dict):
        kind = type(params).__name__
        raise TypeError(f"out is of type {kind}, expected gradients or a dict of arrays by parameter name")
    if params.keys() != expected.keys():
        missing = [name for name in expected if name not in params]
        unknown = [name for name in params if name not in expected]
        raise ValueError(f"out must have every parameter's name: missing {missing}, of no parameter {unknown}")
    return params
