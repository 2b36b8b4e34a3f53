"""States and their gradients as callers pass them, h or (h, c), and as backends take them, a tuple of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rnnfast.arrays import host
from rnnfast.arrays.access import Access
from rnnfast.calls.arguments import is_plain
from rnnfast.checks.arrays import check_dtype, check_shape
from rnnfast.net.description import Net
from rnnfast.problem import Array

States = tuple[Array | None, ...]
"""One array for each of the cell's states; None: zeros. Empty: all are zeros."""
Shapes = tuple[tuple[int, ...], ...]
"""Of each of the cell's states."""


def parts(name: str, state: Any, net: Net) -> list[tuple[str, Any]]:
    """Take a caller's state apart: for each of the cell's states its name in messages and its value, None if absent.

    Raises TypeError where one array came for two states or a tuple for one, ValueError for a tuple of another length.
    """
    several = isinstance(state, tuple | list)
    if len(net.states) == 1:
        if several:
            raise TypeError(
                f"{name} is of type {type(state).__name__}, this {net.name} has one state: pass the array h"
            )
        return [(name, state)]
    labels = [f"{name}[{k}]" for k in range(len(net.states))]
    if state is None:
        return [(label, None) for label in labels]
    if not several:
        raise TypeError(
            f"{name} is of type {type(state).__name__}, this {net.name} has two states: pass the tuple (h, c)"
        )
    if len(state) != len(labels):
        raise ValueError(f"{name} has {len(state)} parts, this {net.name} has two states: pass the tuple (h, c)")
    return list(zip(labels, state, strict=True))


def read(name: str, state: Any, net: Net, shapes: Shapes, access: Access = host) -> States:
    """Return a caller's state, its parts of these shapes, as C-contiguous arrays of where the call runs."""
    if state is None:
        return ()
    found = state if len(net.states) > 1 else (state,)
    if type(found) is tuple and len(found) == len(shapes) and access is host:
        dtype = net.dtype
        if is_plain(found[0], shapes[0], dtype) and is_plain(found[-1], shapes[-1], dtype):  # one or two
            return found
    given = zip(parts(name, state, net), shapes, strict=True)
    return tuple([_read_part(label, value, net, shape, access) for (label, value), shape in given])


def _read_part(label: str, value: Any, net: Net, shape: tuple[int, ...], access: Access) -> Array | None:
    if value is None:
        return None
    array = access.as_array(label, value)
    check_dtype(label, array, net.dtype, net.name, value)
    check_shape(label, array, shape)
    dense: Array = access.dense(array).view()
    return dense


def joined(arrays: Sequence[Array]) -> Any:
    """Return a cell's states as callers get them: h, or (h, c)."""
    return arrays[0] if len(arrays) == 1 else tuple(arrays)
