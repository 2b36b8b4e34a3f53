"""All numbers of a script that follow from a call's counts, computed together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from rnnfast.backends.cuda.counted import Counted, Numbers
from rnnfast.problem import Array

MANY = 8
"""Numbers that follow in one way from different counts, from which on NumPy computes them at once."""


class Counting:
    """What `wanted` are for any call's counts; those that are the same are computed once.

    >>> from rnnfast.backends.cuda.counted import counted, times
    >>> numbers = 5, 7
    >>> Counting([times(counted(numbers, 1), 10), counted(numbers)], numbers)((6, 8))
    [80, 6]
    """

    def __init__(self, wanted: Sequence[Counted], numbers: Numbers) -> None:
        """`numbers` are those of the call that they are of."""
        each = {number.key: number for number in wanted}
        ways: dict[Any, list[tuple[Any, Counted]]] = {}
        for key, number in each.items():
            ways.setdefault(_way(number), []).append((key, number))
        self._together: list[tuple[slice, Counted, list[Array]]] = []
        """Which they are in the result, one of them, the places of its counts of all of them."""
        alone: list[tuple[Any, Counted]] = []
        places, end = dict[Any, int](), 0
        for members in ways.values():
            if len(members) < MANY or not _is_elementwise(members[0][1], numbers):
                alone += members
                continue
            first, end = end, end + len(members)
            places |= {key: first + n for n, (key, _) in enumerate(members)}
            columns = np.array([_leaves(number) for _, number in members]).T
            self._together.append((slice(first, end), members[0][1], [*columns]))
        self._first, self.size = end, end + len(alone)
        places |= {key: end + n for n, (key, _) in enumerate(alone)}
        self._steps = _Steps(len(numbers))
        self._alone = [self._steps.add(number) for _, number in alone]
        self._places: Array = np.array([places[number.key] for number in wanted], np.intp)
        self._each = [] if self._together else [self._alone[place] for place in self._places]
        """Of each its place among the results, where NumPy has nothing to do."""

    def __call__(self, numbers: Numbers) -> Array | list[int]:
        """Return them for these counts: a list where they are few, else an array (n,) int64."""
        values = self._steps.run(numbers)
        if not self._together:
            return [values[n] for n in self._each]
        found, counts = np.empty(self.size, np.int64), np.array(numbers, np.int64)
        for where, number, columns in self._together:
            found[where] = _at_once(number, iter([counts[column] for column in columns]))
        found[self._first :] = [values[n] for n in self._alone]
        return found[self._places]  # type: ignore[no-any-return]


class _Steps:
    """Functions of counts, of constants and of one another's results, one after another."""

    def __init__(self, counts: int) -> None:
        self._known: dict[Any, int] = {(None, place): place for place in range(counts)}
        self._steps: list[tuple[Callable[..., int] | None, Any]] = []
        """A function and where its values are; None: a constant."""

    def add(self, number: int) -> int:
        """Return where a number is among the results."""
        is_counted = type(number) is Counted
        key = number.key if is_counted else number  # type: ignore[attr-defined]
        found = self._known.get(key)
        if found is None:
            if is_counted:
                values = [self.add(value) for value in number.values]  # type: ignore[attr-defined]
                self._steps.append((number.function, values))  # type: ignore[attr-defined]
            else:
                self._steps.append((None, number))
            found = self._known[key] = len(self._known)
        return found

    def run(self, numbers: Numbers) -> list[int]:
        """Return the counts and all results."""
        found = [*numbers]
        for function, values in self._steps:
            found.append(values if function is None else function(*[found[n] for n in values]))
        return found


def _way(number: int) -> Any:
    """Return what is the same of numbers that follow in the same way from whichever counts."""
    if type(number) is not Counted:
        return number
    return (number.function, *map(_way, number.values)) if number.function else None


def _leaves(number: Counted) -> list[int]:
    """Return the places of the counts that a number follows from, in their order."""
    if number.function is None:
        return [number.values[0]]
    return [place for value in number.values if type(value) is Counted for place in _leaves(value)]


def _at_once(number: int, columns: Iterator[Array]) -> Any:
    """Return what a number would be for the counts of each place in its columns."""
    if type(number) is not Counted:
        return number
    if number.function is None:
        return next(columns)
    return number.function(*[_at_once(value, columns) for value in number.values])


def _is_elementwise(number: Counted, numbers: Numbers) -> bool:
    """Return whether the functions that a number follows from take arrays, too."""
    try:
        found = _at_once(number, iter([np.full(2, numbers[place]) for place in _leaves(number)]))
    except (TypeError, ValueError):  # as max and min raise of arrays
        return False
    return np.array_equal(found, [number, number])
