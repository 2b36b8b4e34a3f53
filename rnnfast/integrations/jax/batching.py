"""vmap: sequences that it adds become rows of the batch; where the weights are mapped, calls follow each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.interpreters import batching

from rnnfast.integrations.jax import primitives
from rnnfast.integrations.jax.call import Call

Rule = Callable[..., tuple[list[Any], list[int]]]


def install() -> None:
    """Tell JAX the rules."""
    batching.primitive_batchers[primitives.forward] = _forward
    for primitive in (primitives.record, primitives.backward):
        batching.primitive_batchers[primitive] = partial(_in_turn, primitive)


def _forward(operands: Sequence[Any], axes: Sequence[int | None], *, call: Call) -> tuple[list[Any], list[int]]:
    """Return the results of all of them at once, and which of their axes is the mapped one."""
    names = call.expanded(call.operands)
    mapped = {name for name, axis in zip(names, axes, strict=True) if axis is not None}
    if any(call.batch_axis(name) is None for name in mapped) or "dropout_seed" in names:
        return _in_turn(primitives.forward, operands, axes, call=call)
    size = next(array.shape[axis] for array, axis in zip(operands, axes, strict=True) if axis is not None)
    if turned := _is_turned(call, operands[0], axes[0]):
        call = replace(call, net=replace(call.net, batch_first=True))
        operands = [jnp.swapaxes(operands[0], 1, 2), *operands[1:]]
    folded = [
        array if (to := call.batch_axis(name)) is None else _folded(array, axis, to, size)
        for name, array, axis in zip(names, operands, axes, strict=True)
    ]
    results = primitives.forward.bind(*folded, call=call)
    places = [call.batch_axis(name) or 0 for name in primitives.results_of(call)]
    apart = [_unfolded(array, place, size) for array, place in zip(results, places, strict=True)]
    if turned:
        apart[0] = jnp.swapaxes(apart[0], 1, 2)
    return apart, places


def _is_turned(call: Call, x: Any, axis: int | None) -> bool:
    """Return whether x, one row each, is (N, T, 1, I): that is (N, T, I) with the batch first, which takes no copy."""
    return axis == 0 and not call.net.batch_first and x.shape[2] == 1


def _folded(array: Any, axis: int | None, to: int, size: int) -> Any:
    """Return an array with its mapped axis, where it has one, as the outer part of its batch axis."""
    if axis is None:
        array = jnp.broadcast_to(jnp.expand_dims(array, to), (*array.shape[:to], size, *array.shape[to:]))
    else:
        array = jnp.moveaxis(array, axis, to)
    rows: int = array.shape[to] * array.shape[to + 1]
    return array.reshape(*array.shape[:to], rows, *array.shape[to + 2 :])


def _unfolded(array: Any, place: int, size: int) -> Any:
    return array.reshape(*array.shape[:place], size, array.shape[place] // size, *array.shape[place + 1 :])


def _in_turn(
    primitive: Any, operands: Sequence[Any], axes: Sequence[int | None], **parameters: Any
) -> tuple[list[Any], list[int]]:
    """Return the results of one call after the other, mapped along axis 0."""
    mapped = [jnp.moveaxis(array, axis, 0) for array, axis in zip(operands, axes, strict=True) if axis is not None]

    def one(arrays: list[Any]) -> Any:
        given = iter(arrays)
        own = [array if axis is None else next(given) for array, axis in zip(operands, axes, strict=True)]
        return primitive.bind(*own, **parameters)

    results = jax.lax.map(one, mapped)
    return results, [0] * len(results)
