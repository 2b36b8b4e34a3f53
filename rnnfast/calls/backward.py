"""The backward part of every call: gradients in, arrays for gradients out, the run of the prepared call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rnnfast.arrays import host
from rnnfast.arrays.access import Access
from rnnfast.backends.contract import BackwardArrays
from rnnfast.calls import states
from rnnfast.calls.arguments import is_plain, read_sequence
from rnnfast.calls.forward import Call, new_tuple
from rnnfast.calls.gradients import Gradients, given_gradients, new_gradients, state_norms
from rnnfast.calls.prepared import Engine
from rnnfast.problem import Array


def backward(
    engine: Engine,
    call: Call,
    spend: Callable[[], Any],
    dy: Any,
    d_state: Any,
    need_x: bool,
    out: Any,
    accumulate: bool,
    monitor: bool,
    keep: bool,
) -> Gradients[Any]:
    """Return the gradients of a recorded call. Arguments and errors as those of `Tape.backward`.

    `spend` is called once all is well, and returns the reserve to use up or, with `keep`, to leave as it is.
    """
    prepared, access, x, start, lengths, mask, resets, _, dense = call
    net = engine.net
    engine.check()
    if dy is not None and not (access is host and is_plain(dy, prepared.y_shape, engine.dtype)):
        dy, dense = read_sequence("dy", dy, prepared.y_shape, net, access), False
    d_final = () if d_state is None else states.read("d_state", d_state, net, prepared.state_shape, access)
    if out is None:
        grads, dx, d_start, d_parameters, given = new_gradients(engine, prepared, access, need_x)
    else:
        grads, dx, d_start, d_parameters, given = given_gradients(engine, prepared, access, need_x, out)
        dense = dense and given is not None and given.dense
    norms = None
    if monitor:
        norms, grads.state_norms = state_norms(prepared, net)
    reserve = spend()
    arrays = x, dy, d_final, dx, d_start, d_parameters, norms, start, lengths, mask, resets, dense, None
    seen = new_tuple(BackwardArrays, arrays)
    if out is not None and (given is None or not given.surely_apart(x, dy, mask, resets, start, d_final)):
        seen = _apart(seen, access, [array for array in (dx, *d_start, *d_parameters) if array is not None])
    prepared.bound.backward(reserve, seen, overwrite=not accumulate, keep=keep)
    return grads


def _apart(arrays: BackwardArrays, access: Access, written: list[Array]) -> BackwardArrays:
    """Copy inputs that may overlap what is written."""
    copies: dict[str, Any] = {}
    for name in ("x", "dy", "mask", "resets"):
        copies[name] = access.apart(getattr(arrays, name), written)
    for name in ("start", "d_final"):
        copies[name] = tuple([access.apart(array, written) for array in getattr(arrays, name)])
    return arrays._replace(**copies)
