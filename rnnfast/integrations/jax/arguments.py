"""What a caller passes, checked: the net that the parameters are of, and the operands of a call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnfast.backends.c.library import library
from rnnfast.backends.choose import select
from rnnfast.calls.states import parts
from rnnfast.checks.arrays import check_shape, check_steps
from rnnfast.checks.values import whole
from rnnfast.integrations.jax import primitives
from rnnfast.integrations.jax.call import Call
from rnnfast.integrations.jax.parameters import advised_for, check, net_of, number
from rnnfast.net.description import Net

FLAGS = (np.dtype(bool), np.dtype(np.uint8))
INT32_MAX = 2**31 - 1
OF_NETS = ("batch_first", "masked_output", "dropout", "input_dropout", "recurrent_dropout")
"""Options that say what is computed; others follow from the parameters."""


def recur(
    name: str,
    cell: str,
    parameters: Mapping[str, Any],
    x: Any,
    state: Any = None,
    *,
    lengths: Any = None,
    mask: Any = None,
    resets: Any = None,
    key: Any = None,
    num_threads: int | None = None,
    backend: str = "c",
    **options: Any,
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    """Return y and the final states of a call; `functions.rnn` says of what. `name`: the kind of net in messages."""
    library()
    if unknown := [option for option in options if option not in OF_NETS]:
        known = "lengths, mask, resets, key, num_threads, backend, " + ", ".join(OF_NETS)
        raise TypeError(f"{name.lower()} has no option {unknown[0]}, expected some of {known}")
    net = net_of(name, cell, parameters, number("x", x, advised_for(parameters)), options)
    layout = net.layout(x)
    steps, batch = layout.sizes(x.shape)
    check_steps(steps, batch)
    extras: dict[str, Any] = dict(_states(net, state, layout.state_shapes(_layers(net), batch, net.state_sizes)))
    extras = {label: layout.state(array) for label, array in extras.items()}
    if lengths is not None:
        extras["lengths"] = _lengths(lengths, (batch,) if layout.batch else ()).reshape(batch)
    for label, flags in (("mask", mask), ("resets", resets)):
        if flags is not None:
            extras[label] = layout.sequence(_flags(label, flags, x.shape[:-1]))
    if (seed := _seed(net, key)) is not None:
        extras["dropout_seed"] = seed
    call = Call(net if layout.batch else _time_major(net), tuple(extras), _isa(backend, cell), _threads(num_threads))
    x = x if layout.batch else x[:, None]
    y, *finals = _run(call, x, *[parameters[label] for label in call.parameters], *extras.values())
    return (y, tuple(finals)) if layout.batch else (y[:, 0], tuple(final[:, 0] for final in finals))


def _bound(call: Call, *operands: Any) -> Any:
    return primitives.forward.bind(*operands, call=call)


_run: Any = jax.jit(_bound, static_argnums=0)


def _layers(net: Net) -> int:
    return net.num_layers * net.num_directions


def _states(net: Net, state: Any, shapes: Iterable[tuple[int, ...]]) -> Iterable[tuple[str, Any]]:
    """Return the states before the first step by name; where there are none, they are zeros."""
    given = list(zip(net.states, parts("state", state, net), shapes, strict=True))
    for short, (label, value), shape in given:
        if value is not None:
            check(label, value, shape, net)
            yield f"{short}0", value


def _as_array(value: Any) -> Any:
    """Return an array of JAX as it is, others as NumPy's, which keeps all their bits."""
    return value if isinstance(value, jax.Array) else np.asarray(value)


def _lengths(lengths: Any, shape: tuple[int, ...]) -> Any:
    """Return lengths as the handler reads them, int32, or int64 where JAX has it; beyond every T stays beyond it."""
    array = _as_array(lengths)
    if array.dtype.kind not in "iu":
        raise TypeError(f"lengths has dtype {array.dtype}, expected integers")
    check_shape("lengths", array, shape)
    if isinstance(array, np.ndarray):
        return np.clip(array, -1, INT32_MAX).astype(np.int32)
    if array.dtype in (np.uint32, np.uint64):
        array = jnp.minimum(array, array.dtype.type(INT32_MAX))
    return array if array.dtype in (np.dtype(np.int32), np.dtype(np.int64)) else array.astype(np.int32)


def _flags(label: str, flags: Any, shape: tuple[int, ...]) -> Any:
    array = _as_array(flags)
    if array.dtype not in FLAGS:
        raise TypeError(f"{label} has dtype {array.dtype}, expected bool or uint8")
    check_shape(label, array, shape)
    return array


def _seed(net: Net, key: Any) -> Any:
    """Return two words of the key, None where nothing is dropped. Raises ValueError where there is no key for it."""
    dropouts = {name: getattr(net, name) for name in ("dropout", "input_dropout", "recurrent_dropout")}
    if not any(dropouts.values()):
        return None
    if key is None:
        given = ", ".join(f"{name}={value}" for name, value in dropouts.items() if value)
        raise ValueError(f"{given} needs a key: pass key=jax.random.key(...), or leave it out where nothing is dropped")
    return jax.random.bits(key, (2,), np.uint32)


def _isa(backend: str, cell: str) -> str:
    """Return the instruction set that a backend's name asks for, "" for the best."""
    choice = select(backend, cell=cell)
    if choice.name != "c":
        raise ValueError(f"backend is {backend!r}, expected 'c' or an instruction set of it such as 'c:avx2'")
    return choice.variant or ""


def _threads(num_threads: int | None) -> int:
    return 0 if num_threads is None else whole("num_threads", num_threads)


def _time_major(net: Net) -> Net:
    """Return the same net for (T, 1, I), whose rows need no axis of their own."""
    return replace(net, batch_first=False)
