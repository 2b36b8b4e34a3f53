"""The arrays of a call: with all their axes, and in their order their addresses and others in their places."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.arrays.layout import Layout
from rnnfast.backends.contract import BackwardArrays, ForwardArrays
from rnnfast.backends.cuda.noting import within
from rnnfast.problem import Array


def time_first(layout: Layout, arrays: ForwardArrays) -> ForwardArrays:
    """Return the arrays of a call with all their axes, time first."""
    x, y = map(layout.sequence, (arrays.x, arrays.y))
    start, final = (_states(layout, each) for each in (arrays.start, arrays.final))
    return arrays._replace(x=x, y=y, start=start, final=final)


def time_first_back(layout: Layout, arrays: BackwardArrays) -> BackwardArrays:
    """Return the same of a backward."""
    dy, dx = (None if a is None else layout.sequence(a) for a in (arrays.dy, arrays.dx))
    start, d_final, d_start = (_states(layout, each) for each in (arrays.start, arrays.d_final, arrays.d_start))
    x = layout.sequence(arrays.x)
    return arrays._replace(x=x, dy=dy, d_final=d_final, dx=dx, d_start=d_start, start=start)


def _states(layout: Layout, arrays: Sequence[Array | None]) -> list[Array | None]:
    return [None if a is None else layout.state(a) for a in arrays]


def addresses_of(*arrays: Any) -> list[int]:
    """Return the addresses of the arrays that are there, in their order."""
    return [a.address for a in arrays if a is not None]


def those_there(*arrays: Any) -> list[DeviceArray]:
    """Return the arrays that are not None."""
    return [a for a in arrays if a is not None]


def missing(*arrays: Any) -> tuple[bool, ...]:
    """Return which are not there; nothing where all are."""
    return tuple([a is None for a in arrays]) if None in arrays else ()


def mapped(arrays: Any, of: Callable[[DeviceArray], DeviceArray]) -> Any:
    """Return the arrays of a call with another in place of each, in their order."""

    def found(value: Any) -> Any:
        if isinstance(value, DeviceArray):
            return of(value)
        return [found(each) for each in value] if isinstance(value, Sequence) else value

    return arrays._make(map(found, arrays))


def numbered(arrays: Any, first: int) -> Any:
    """Return the arrays of a call as ones whose addresses tell their numbers, in their order from the first on."""
    numbers = itertools.count(first)
    return mapped(arrays, lambda a: within(a, next(numbers)))


def lying_as(a: DeviceArray, address: int) -> DeviceArray:
    """Return an array of the same form at another address; it keeps no memory alive."""
    return DeviceArray(address, a.shape, a.strides, a.dtype, None)


def template_of(arrays: ForwardArrays) -> Any:
    """Return the arrays of a call, each with its number for its address."""
    numbers = itertools.count()
    return mapped(arrays, lambda a: lying_as(a, next(numbers)))
