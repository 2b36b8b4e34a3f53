"""A call that notes what it starts on the device, and one that starts nothing, for what was started already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda.counted import Counted
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.driver.launch import Launch
from rnnfast.backends.cuda.matrix import Matrix
from rnnfast.problem import Array


class Within(int):
    """An address in one of a call's arrays: so many bytes from the beginning of the array of this number.

    >>> (3 + Within(4096, array=2)).array
    2
    """

    array: int
    moved: Counted | None
    """How much of how far it is from that beginning is counted."""

    def __new__(cls, address: int, array: int, moved: Counted | None = None) -> Within:
        """Return the address, which is in the array of this number."""
        made = int.__new__(cls, address)
        made.array, made.moved = array, moved
        return made

    def __add__(self, other: int) -> Within:
        if type(other) is Counted:
            assert self.moved is None
            return Within(int(self) + int(other), self.array, other)
        return Within(int(self) + int(other), self.array, self.moved)

    __radd__ = __add__


class Started(NamedTuple):
    """A launch as it was started."""

    launch: Launch
    grid: tuple[int, int]
    values: tuple[Any, ...]
    """Its parameters."""


class Cleared(NamedTuple):
    """So many bytes, from an address on, made zero."""

    address: int
    size: int


class Brought(NamedTuple):
    """What is given of the call's ragged rows, brought to an address."""

    address: int


def within(a: DeviceArray, number: int) -> DeviceArray:
    """Return an array as one whose addresses tell its number."""
    return DeviceArray(Within(a.address, number), a.shape, a.strides, a.dtype, a.owner)


class Noting(DeviceCall):
    """A call that notes its launches. `arrays`: all that it is given, numbered, then those that it makes."""

    is_noted = True

    def __init__(self, call: DeviceCall, arrays: Sequence[DeviceArray]) -> None:
        super().__init__(call.device, call.library, call.dtype, call._launches)
        self.stream, self._call, self.arrays = call.stream, call, [*arrays]
        self.makes: list[tuple[tuple[int, ...], Any] | None] = []
        """The shape and dtype of each array that it makes; None: its word."""
        self.started: list[Started | Cleared | Brought] = []
        self.is_whole = True
        """Whether all that the call does is noted, so that doing it again is the same call."""

    def run(self, launch: Launch, *values: Any) -> None:
        """Start a launch."""
        super().run(launch, *values)
        self.started.append(Started(launch, launch.grid, values))

    def run_on(self, launch: Launch, grid: tuple[int, int], *values: Any) -> None:
        """Start a launch; where the number of its blocks is counted and 0, other calls may have some."""
        before = len(self.started)
        super().run_on(launch, grid, *values)
        self.started[before:] = [Started(launch, grid, values)]

    def bring(self, address: int, source: bytes) -> None:
        """Copy what is given of ragged rows to an address."""
        super().bring(address, source)
        self.started.append(Brought(address))

    def clear(self, address: int, count: int) -> None:
        """Make so many bytes zero."""
        super().clear(address, count)
        if count:
            self.started.append(Cleared(address, count))

    def empty(self, shape: tuple[int, ...], dtype: Any) -> DeviceArray:
        """Return a new array with anything in it."""
        made = within(super().empty(shape, dtype), len(self.arrays))
        self.arrays.append(made)
        self.makes.append((shape, dtype))
        return made

    def word(self) -> DeviceArray:
        """Return this call's word, which counts as an array that it makes."""
        if self._word is None:
            self._word = within(self._call.word(), len(self.arrays))
            self.arrays.append(self._word)
            self.makes.append(None)
        return self._word

    def array(self, a: Array | DeviceArray) -> DeviceArray:
        """Return what is on the device as it is; bringing anything there cannot be noted."""
        self.is_whole = self.is_whole and isinstance(a, DeviceArray)
        return super().array(a)

    def host(self, a: DeviceArray) -> Array:
        """Return a copy for NumPy, which cannot be noted."""
        self.is_whole = False
        return super().host(a)

    def product(self, a: Matrix, b: Matrix, c: Matrix, m: int, n: int, depth: int, *, add: bool) -> bool:
        """Let the library make a product, which cannot be noted."""
        found = super().product(a, b, c, m, n, depth, add=add)
        self.is_whole = self.is_whole and not found
        return found

    def knows_addresses(self) -> bool:
        """Return whether each address that was started with in one of the arrays tells so itself."""
        bounds = [np.lib.array_utils.byte_bounds(a.frame) for a in self.arrays if a.size]
        given = (each.values if isinstance(each, Started) else each for each in self.started)
        values = {value for each in given for value in each if type(value) is not Within}
        return not any(low <= value < high for value in values for low, high in bounds)


class Retracing(DeviceCall):
    """A call that starts nothing and makes no array: what it would, `made` in this order, is there."""

    def __init__(self, call: DeviceCall, made: Sequence[DeviceArray]) -> None:
        super().__init__(call.device, call.library, call.dtype, call._launches)
        self.stream, self._made = call.stream, iter(made)

    def run(self, launch: Launch, *values: Any) -> None:
        """Do nothing."""

    def bring(self, address: int, source: bytes) -> None:
        """Do nothing."""

    def clear(self, address: int, count: int) -> None:
        """Do nothing."""

    def empty(self, shape: tuple[int, ...], dtype: Any) -> DeviceArray:
        """Return the array that was made then."""
        return next(self._made)

    def word(self) -> DeviceArray:
        """Return the word that was the call's."""
        if self._word is None:
            self._word = next(self._made)
        return self._word
