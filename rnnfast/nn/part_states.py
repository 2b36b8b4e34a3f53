"""States of a model's recurrent parts: as callers list them, and those that were learned to begin with."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from rnnfast.arrays.host import as_array
from rnnfast.calls import states
from rnnfast.checks.arrays import check_dtype
from rnnfast.net.description import Net
from rnnfast.problem import Array

Learned = tuple[Array | None, ...]
"""h0 (L·D, H) and, of an LSTM, c0; None: zeros."""


def listed(given: Any, names: Collection[str]) -> list[Any]:
    """Return a caller's states, one for each of these parts, None for one that was not given.

    Raises TypeError for what is no list or tuple, ValueError for another number of them.
    """
    expected = f"expected a list of {len(names)}, one for each recurrent part ({', '.join(names) or 'there is none'})"
    if given is None:
        return [None] * len(names)
    if not isinstance(given, list | tuple):
        raise TypeError(f"states is of type {type(given).__name__}, {expected}")
    if len(given) != len(names):
        raise ValueError(f"states has {len(given)} entries, {expected}")
    return list(given)


def learned(name: str, value: Any, net: Net) -> Learned:
    """Return copies of h0, or of (h0, c0), each (L·D, H) or (L·D, 1, H). Raises ValueError or TypeError for others."""
    count, found = net.num_layers * net.num_directions, []
    for (label, part), size in zip(states.parts(name, value, net), net.state_sizes, strict=True):
        array = part if part is None else as_array(label, part)
        if array is not None:
            check_dtype(label, array, net.dtype, net.name, part)
            if array.shape not in ((count, size), (count, 1, size)):
                raise ValueError(f"{label} has shape {array.shape}, expected {(count, size)}")
            array = np.array(array.reshape(count, size), order="C")
        found.append(array)
    return tuple(found)


def repeated(state: Learned | None, shapes: states.Shapes) -> Any:
    """Return a state as a net takes it: every row of the batch, if shapes have one, begins with the learned one."""
    if state is None:
        return None
    found: list[Any] = [
        a if a is None else np.array(np.broadcast_to(a[:, None] if len(shape) > 2 else a, shape))
        for a, shape in zip(state, shapes, strict=True)
    ]
    return states.joined(found)


def copied(state: Learned) -> Any:
    """Return copies of a learned state as callers get it, h0 or (h0, c0)."""
    found: list[Any] = [array if array is None else array.copy() for array in state]
    return states.joined(found)


def begun_again(now: Any, state: Learned, rows: Array) -> Any:
    """Return the states `now`, h (L, B, H) or (h, c), with those of the rows (B,) bool as the learned one has them."""
    arrays = [now] if isinstance(now, np.ndarray) else list(now)
    for array, first in zip(arrays, state, strict=True):
        array[:, rows] = 0 if first is None else first[:, None]
    return states.joined(arrays)
