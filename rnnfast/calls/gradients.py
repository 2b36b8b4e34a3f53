"""The gradients that `backward` returns, and the arrays they are written to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from rnnfast.arrays import host
from rnnfast.arrays.access import Access
from rnnfast.calls import states
from rnnfast.calls.given import GivenGradients
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
        """All gradients, norms aside."""
        return [*([] if self.x is None else [self.x]), *self.states, *self.params.values()]


def new_gradients(engine: Engine, prepared: Prepared, access: Access, need_x: bool) -> Written:
    """Return new arrays for every gradient."""
    if access is not host:
        return _new_on_device(engine, prepared, access, need_x)
    dtype, of_states, empty = engine.dtype, prepared.state_shapes, np.empty
    x = empty(prepared.x_shape, dtype) if need_x else None
    params = {name: empty(shape, dtype) for name, shape in engine.net.shapes.items()}
    if engine.two_states:
        pair = empty(of_states[0], dtype), empty(of_states[1], dtype)
        return Gradients(x, pair, params), x, pair, [*params.values()], None
    state = empty(of_states[0], dtype)
    return Gradients(x, state, params), x, (state,), [*params.values()], None


def _new_on_device(engine: Engine, prepared: Prepared, access: Access, need_x: bool) -> Written:
    """Return new arrays on a device: those of states and parameters share one piece of memory, as each costs a call."""
    net, dtype, result = engine.net, engine.dtype, access.result
    count, shapes = len(net.states), net.shapes
    x = access.new(prepared.x_shape, dtype) if need_x else None
    made = access.new_each((*prepared.state_shapes, *shapes.values()), dtype)
    given = [result(array) for array in made]
    params = dict(zip(shapes, given[count:], strict=True))
    grads = Gradients(None if x is None else result(x), states.joined(given[:count]), params)
    return grads, x, made[:count], made[count:], None


Written = tuple[Gradients[Any], Array | None, Sequence[Array], Sequence[Array], GivenGradients | None]
"""Gradients to write into: as the caller gets them; as backends see those of x, of the states and of the parameters, in
the order of the net's; and what is known of those that the caller brought."""


KEPT = 4
"""Sets of gradients that a form of call remembers: more than take turns in a program."""


def given_gradients(engine: Engine, prepared: Prepared, access: Access, need_x: bool, out: Any) -> Written:
    """Return the arrays of `out`, checked, with new ones for what it lacks; none of them is changed yet."""
    net = engine.net
    out = out if isinstance(out, Gradients) else Gradients(None, None, out)
    if (written := _seen_before(engine, prepared, need_x, out)) is not None:
        return written
    named, labelled = _named(out.params, net), states.parts("out.state", out.state, net)
    # Each is read once: what is checked is what is written to.
    brought = [part for _, part in labelled]
    arrays = [out.x if need_x else None, *brought, *[named[name] for name in net.shapes]]
    given: GivenGradients | None
    for given in prepared.given:
        if given.are(arrays):
            break
    else:
        labels = ["out.x", *(label for label, _ in labelled), *(f"out[{name!r}]" for name in net.shapes)]
        arrays = _checked(engine, prepared, access, labels, arrays)
        given = GivenGradients(arrays, [*net.shapes]) if access is host else None
        if given is not None:
            prepared.given = (given, *prepared.given[: KEPT - 1])
    x, state, parameters = arrays[0], arrays[1 : 1 + len(brought)], arrays[1 + len(brought) :]
    grads = Gradients(out.x if need_x else None, states.joined(brought), named)
    if need_x and x is None:
        x = access.new(prepared.x_shape, engine.dtype)
        grads.x = access.result(x)
    if any(part is None for part in state):
        fresh = zip(brought, prepared.state_shapes, strict=True)
        filled = [access.result(access.new(shape, engine.dtype)) if part is None else part for part, shape in fresh]
        state = [access.as_array("gradient", part) for part in filled]
        grads.state = states.joined(filled)
    return grads, x, state, parameters, given


def _seen_before(engine: Engine, prepared: Prepared, need_x: bool, out: Gradients[Any]) -> Written | None:
    """Return the arrays of `out` where all were given before, as they are now: what a loop of training brings."""
    x, state, params = out.x, out.state, out.params
    if not need_x:
        x = None
    elif x is None:
        return None
    if not engine.two_states:
        state = (state,)
    elif type(state) is not tuple or len(state) != 2:
        return None
    if type(params) is not dict or state[0] is None or state[-1] is None:
        return None
    parameters = [*params.values()]
    arrays = [x, *state, *parameters]
    for given in prepared.given:
        if given.are(arrays) and given.names == [*params]:
            return Gradients(x, out.state, params), x, state, parameters, given
    return None


def _checked(
    engine: Engine, prepared: Prepared, access: Access, labels: list[str], arrays: list[Any]
) -> list[Array | None]:
    """Return arrays as backends see them.

    Raises ValueError or TypeError where one does not fit, or shares memory with another or with a parameter.
    """
    net, shapes = engine.net, [prepared.x_shape, *prepared.state_shapes]
    shapes += net.shapes.values()
    seen: list[Any] = []
    for number, (label, array, shape) in enumerate(zip(labels, arrays, shapes, strict=True)):
        optional = number <= len(net.states)
        if array is None and optional:
            seen.append(None)
            continue
        fits = access.check_output(label, array, shape, net.dtype, net.name, dense=number > 0)
        seen.append(access.as_array(label, fits))
    written = [(label, access.frame(array)) for label, array in zip(labels, seen, strict=True) if array is not None]
    check_all_apart([label for label, _ in written], [frame for _, frame in written], engine.parameters.frames)
    return seen


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
