"""Arrays that lie on one another in memory, or on themselves: what results are written to must not."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from rnnfast.problem import Array


class Span(NamedTuple):
    """Bytes from the first to the last of an array's elements; ordered by where they start."""

    start: int
    stop: int
    name: str
    array: Array


def overlaps_itself(array: Array) -> bool:
    """Return whether two elements of `array`, at most (T, B, K) with its last axis contiguous, share memory. Exact.

    >>> overlaps_itself(np.broadcast_to(np.zeros(3), (2, 3)))
    True
    """
    if array.flags.c_contiguous:  # which counts no axis of one element, and no array without elements
        return False
    axes = [(abs(stride), n) for stride, n in zip(array.strides, array.shape, strict=True) if n > 1]
    extent = array.itemsize
    for stride, n in sorted(axes):
        if stride < extent:
            return array.size > 0 and _rows_meet(array)
        extent += stride * (n - 1)
    return False


def _rows_meet(array: Array) -> bool:
    """Return the same for axes that reach into one another, which may still miss: rows at 0, 3 and 2, 5 are apart."""
    row = array.shape[-1] * array.itemsize
    leading = list(zip(array.strides[:-1], array.shape[:-1], strict=True))
    span = row + sum(abs(stride) * (n - 1) for stride, n in leading)
    if span < array.nbytes:  # also keeps the table below within the size of the array
        return True
    starts = np.zeros(1, np.int64)
    for stride, n in leading:
        starts = np.add.outer(starts, np.arange(n) * stride)
    return bool((np.diff(np.sort(starts, axis=None)) < row).any())


def check_apart(name: str, out: Array, parameters: Mapping[str, Array]) -> None:
    """Raise ValueError where `out` shares memory with a parameter: the call would overwrite the weights it reads."""
    for other, array in parameters.items():
        if np.shares_memory(out, array):
            raise ValueError(_fault(name, f"the parameter {other}"))


def owner_of(array: Array) -> Array | None:
    """Return the array that owns the memory of this one; None where no array does."""
    owner = array if array.base is None else array.base
    return owner if type(owner) is np.ndarray and owner.flags.owndata else None


def _owned_apart(outputs: Sequence[Array], parameters: Iterable[Array]) -> bool:
    """Return whether each output lies in memory that an array of its own owns, and none of these a parameter's."""
    owners, others = [owner_of(array) for array in outputs], [owner_of(array) for array in parameters]
    if any(owner is None for owner in (*owners, *others)):
        return False
    ids = set(map(id, owners))
    return len(ids) == len(owners) and ids.isdisjoint(map(id, others))


def check_all_apart(names: Iterable[str], outputs: Sequence[Array], parameters: Mapping[str, Array]) -> None:
    """Raise ValueError where an output shares memory with another one or with a parameter. Exact.

    Arrays are visited by address, so that only those whose spans meet are compared: few, unless they do overlap.
    """
    if _owned_apart(outputs, parameters.values()):
        return
    bounds = sorted([_bounds(array) for array in (*outputs, *parameters.values()) if array.size])
    if all(before[1] <= after[0] for before, after in pairwise(bounds)):
        return
    named = [*zip(names, outputs, strict=True), *((f"the parameter {name}", a) for name, a in parameters.items())]
    spans = [Span(*_bounds(array), name, array) for name, array in named if array.size]
    reaching: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        reaching = [other for other in reaching if other.stop > span.start]
        for other in reaching:
            if np.shares_memory(span.array, other.array):
                raise ValueError(_fault(*sorted((other.name, span.name), key=lambda name: name.startswith("the "))))
        reaching.append(span)


def _fault(name: str, other: str) -> str:
    return f"{name} shares memory with {other}, expected an array of its own: pass a copy, or np.empty_like of it"


def _bounds(array: Array) -> tuple[int, int]:
    """Return the addresses of the first byte and behind the last one."""
    if array.flags.carray:  # contiguous and writeable: three times as fast as below
        start = ctypes.addressof(ctypes.c_char.from_buffer(array.data))
        return start, start + array.nbytes
    start = stop = array.ctypes.data
    for stride, n in zip(array.strides, array.shape, strict=True):
        reach = stride * (n - 1)
        start, stop = start + min(reach, 0), stop + max(reach, 0)
    return start, stop + array.itemsize
