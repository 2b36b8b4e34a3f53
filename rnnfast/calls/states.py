"""States and their gradients: h, or (h, c), in the caller's layout, and the (L·D, B, H) arrays that backends see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rnnfast.arrays import host
from rnnfast.arrays.access import Memory
from rnnfast.arrays.layout import Layout
from rnnfast.checks.arrays import check_dtype, check_shape
from rnnfast.net.description import Net
from rnnfast.problem import Array, Pair


def shape_of(net: Net, layout: Layout, batch: int) -> tuple[int, ...]:
    """The caller's shape of one state."""
    return layout.state_shape(net.num_layers * net.num_directions, batch, net.hidden_size)


def parts(name: str, state: Any, net: Net) -> list[tuple[str, Any]]:
    """A caller's state taken apart: for each of the cell's states what messages call it and the value, None if absent.

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


def read(name: str, state: Any, net: Net, layout: Layout, batch: int, memory: Memory = host) -> Pair:
    """A caller's state as arrays for a problem, in host memory C-contiguous ones; None stays None, for zeros."""
    if state is None:
        return None, None
    found: list[Array | None] = []
    for label, value in parts(name, state, net):
        if value is None:
            found.append(None)
            continue
        array = memory.as_array(label, value)
        check_dtype(label, array, net.dtype, net.name)
        check_shape(label, array, shape_of(net, layout, batch))
        found.append(memory.dense(array))
    return pair(found, layout)


def pair(arrays: Sequence[Array | None], layout: Layout) -> Pair:
    """A cell's states in the caller's layout as views for a problem."""
    views = [None if array is None else layout.state(array) for array in arrays]
    return views[0], views[1] if len(views) > 1 else None


def joined(arrays: Sequence[Array]) -> Any:
    """A cell's states as callers get them: h, or (h, c)."""
    return arrays[0] if len(arrays) == 1 else tuple(arrays)
