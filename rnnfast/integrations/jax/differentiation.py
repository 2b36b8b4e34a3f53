"""Gradients: a recorded call in place of the other, and from its reserve, backwards alone, what its inputs get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from rnnfast.integrations.jax import primitives
from rnnfast.integrations.jax.call import Call

FORWARD_MODE = (
    "rnnfast.integrations.jax has gradients in reverse mode alone, by jax.grad, jax.vjp or jax.jacrev: forward mode, "
    "as of jax.jvp, jax.jacfwd, jax.linearize and jax.hessian, takes a lax.scan in its place"
)
TWICE = (
    "the gradients of rnnfast.integrations.jax cannot be differentiated again: where second derivatives are needed, "
    "use a lax.scan in its place"
)

pullback: Any = Primitive("rnnfast_pullback")
"""moved tangents of a call's operands, then those operands and the reserve -> tangents of its results: a linear
function that is never computed, as only its transpose, `primitives.backward`, is known. `moved`: which operands have a
tangent."""
pullback.multiple_results = True


def install() -> None:
    """Tell JAX the rules."""
    pullback.def_abstract_eval(_tangents)
    pullback.def_impl(_refuse_forward_mode)
    mlir.register_lowering(pullback, _refuse_forward_mode)
    batching.primitive_batchers[pullback] = _refuse_forward_mode
    ad.primitive_jvps[primitives.forward] = _linearised
    ad.primitive_transposes[pullback] = _transposed
    for primitive in (primitives.record, primitives.backward, pullback):
        ad.primitive_jvps[primitive] = _refuse_twice


def _linearised(primals: Sequence[Any], tangents: Sequence[Any], *, call: Call) -> tuple[Any, Any]:
    """Return a call's results, and their tangents as a linear function of those of its operands."""
    *results, reserve = primitives.record.bind(*primals, call=call)
    moved = tuple(type(tangent) is not ad.Zero for tangent in tangents)
    moving = [tangent for tangent, moves in zip(tangents, moved, strict=True) if moves]
    return results, pullback.bind(*moving, *primals, reserve, call=call, moved=moved)


def _tangents(*arrays: Any, call: Call, moved: tuple[bool, ...]) -> list[Any]:
    x = arrays[sum(moved)]
    return primitives.arrays_of(call, primitives.results_of(call), x.shape)


def _transposed(cotangents: Sequence[Any], *arrays: Any, call: Call, moved: tuple[bool, ...]) -> list[Any]:
    """Return the gradients of the tangents' operands, None of others, from those of the results."""
    tangents, rest = arrays[: sum(moved)], arrays[sum(moved) :]
    names = call.expanded(call.operands)
    places = [place for place, moves in enumerate(moved) if moves]
    linear = [place for place, tangent in zip(places, tangents, strict=True) if isinstance(tangent, ad.UndefinedPrimal)]
    given = {
        f"d{name}": cotangent
        for name, cotangent in zip(primitives.results_of(call), cotangents, strict=True)
        if type(cotangent) is not ad.Zero
    }
    if not given or not linear:
        return [None] * len(arrays)
    wanted = _gradients_of(call, {names[place] for place in linear})
    found = primitives.backward.bind(*rest, *given.values(), call=call, given=tuple(given), wanted=wanted)
    of_name: dict[str, list[Any]] = {}
    for name, gradient in zip(call.expanded(wanted), found, strict=True):
        of_name.setdefault(name, []).append(gradient)
    gradients = []
    for place in places:
        name = names[place]
        table = of_name[_gradient(call, name)] if place in linear else None
        gradients.append(None if table is None else table[place - names.index(name)])
    return gradients + [None] * len(rest)


def _gradient(call: Call, name: str) -> str:
    """Return the name of an operand's gradient, a field of rf_problem."""
    return f"d_{name}" if name in call.tables else f"d{name}"


def _gradients_of(call: Call, names: set[str]) -> tuple[str, ...]:
    """Return the names of gradients to be asked for: those of all parameters if of any."""
    parameters = any(table in names for table in call.tables)
    return tuple(
        _gradient(call, name) for name in call.operands if name in names or (parameters and name in call.tables)
    )


def _refuse_forward_mode(*_: Any, **__: Any) -> NoReturn:
    raise TypeError(FORWARD_MODE)


def _refuse_twice(*_: Any, **__: Any) -> NoReturn:
    raise TypeError(TWICE)
