"""What of a script differs between calls that have other rows live: parameters, addresses, numbers of blocks."""

from __future__ import annotations

import numpy as np

from rnnfast.backends.cuda.counted import Counted, Numbers
from rnnfast.backends.cuda.counting import Counting
from rnnfast.problem import Array

Target = tuple[Counted, int, int]
"""A number, its place in an array, what is added to it there."""


class Counts:
    """The counted numbers of a script: all are added, then `finish` is called, then `set` for every call."""

    def __init__(self) -> None:
        self._targets: dict[str, list[Target]] = {"i": [], "q": [], "address": [], "grid": []}

    def add_parameter(self, number: Counted, offset: int, code: str) -> None:
        """Let a number be the parameter at this offset, in bytes, of the type that module struct calls so."""
        self._targets[code].append((number, offset // np.dtype(code).itemsize, 0))

    def add_distance(self, number: Counted, place: int, least: int) -> None:
        """Let an address, of `least` and a number, be that far from the beginning of its array."""
        self._targets["address"].append((number, place, least))

    def add_blocks(self, number: Counted, place: int) -> None:
        """Let a number be that of blocks at this place, in int32 numbers, of the launches' descriptions."""
        self._targets["grid"].append((number, place, 0))

    def finish(self, words: Array, distances: Array, configs: Array, numbers: Numbers) -> None:
        """See how all follow from a call's counts; these are the ones that they were added with.

        `words`: what parameters lie in; `configs`: what launches' descriptions do.
        """
        configs = configs.reshape(-1).view(np.int32)
        arrays: tuple[Array, ...] = (words.view(np.int32), words.view(np.int64), distances, configs)
        wanted: list[Counted] = []
        self._each: list[tuple[Array, int, int]] = []
        self._writes: list[tuple[Array, Array, Array, slice]] = []
        """Where all go, one by one and at once."""
        for array, targets in zip(arrays, self._targets.values(), strict=True):
            self._each += [(array, place, least) for _, place, least in targets]
            if targets:
                places, least = np.array([target[1:] for target in targets], np.int64).T.copy()
                self._writes.append((array, places, least, slice(len(wanted), len(wanted) + len(targets))))
                wanted += [target[0] for target in targets]
        self._counting = Counting(wanted, numbers)

    def set(self, numbers: Numbers) -> None:
        """Set all for a call of these counts."""
        found = self._counting(numbers)
        if isinstance(found, list):
            for (array, place, least), value in zip(self._each, found, strict=True):
                array[place] = value + least
        else:
            for array, places, more, where in self._writes:
                array[places] = found[where] + more
