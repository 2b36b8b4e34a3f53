"""The gradients that `backward` returns, and the arrays they are written to."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from itertools import chain
from typing import Any, Generic, TypeVar

import numpy as np

from rnnfast.arrays import host
from rnnfast.arrays.access import Access
from rnnfast.calls import states
from rnnfast.calls.arguments import is_plain
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
    labelled = states.parts("out.state", given.state, net)
    x = _result("out.x", given.x, prepared.x_shape, net, access) if need_x else None
    shape = prepared.state_shape
    state = [_result(label, part, shape, net, access, dense=True) for label, part in labelled]
    params = _named(given.params, net)
    seen = engine.outputs
    for known, (name, expected) in zip(seen, net.shapes.items(), strict=False):
        array = params[name]
        if known() is not array or not is_plain(array, expected, dtype) or not array.flags.writeable:
            seen = ()
            break
    grads = Gradients(x, states.joined(state), params)
    if not seen or given.x is not None or given.state is not None:
        for name, expected in net.shapes.items():
            access.check_output(_label(name), params[name], expected, dtype, net.name, dense=True)
        names = chain(["out.x"] * need_x, (label for label, _ in labelled), map(_label, params))
        check_all_apart(names, [access.frame(array) for array in grads.arrays], engine.parameters.frames)
        if access is host:
            engine.outputs = tuple([weakref.ref(params[name]) for name in net.shapes])
    return grads


def state_norms(prepared: Prepared, net: Net) -> tuple[Array, dict[str, Array]]:
    """Return an array (T, L·D, 2) of zeros for backward to fill with norms, and its parts by name of each state."""
    norms = np.zeros((prepared.steps, net.num_layers * net.num_directions, 2))
    return norms, {name: norms[:, :, column] for column, name in enumerate(net.states)}


def _result(name: str, out: Any, shape: tuple[int, ...], net: Net, access: Access, *, dense: bool = False) -> Any:
    """Return a new array if `out` is None, else `out`, which must fit as it is."""
    if out is None:
        return access.empty(shape, net.dtype)
    return access.check_output(name, out, shape, net.dtype, net.name, dense=dense)


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


def _label(name: str) -> str:
    return f"out[{name!r}]"
