"""Numbers of a launch that follow from which rows of a call are live, and say how: for launches that come again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import mul
from typing import Any, Protocol

Numbers = Sequence[int]
"""What a call counts of its live rows: how many steps are live, then whatever else launches follow from."""


class LiveRows(Protocol):
    """Which rows of a call are live, as launches need it."""

    @property
    def numbers(self) -> Numbers:
        """Return what is counted of them."""

    @property
    def together(self) -> bytes:
        """Return what of them is brought to the device."""


class Counted(int):
    """A number as it is for one call's counts, and what it follows from: `of` says what it is for any call's.

    What Python makes of it is an int like others: `following` computes with it.

    >>> half = following(lambda count, by: count // by, counted((8,)), 2)
    >>> half, half.of((6,))
    (4, 3)
    """

    function: Callable[..., int] | None
    """Of `values`; None: it is a call's count itself, whose place `values` has."""
    values: tuple[int, ...]
    most: int
    """The largest that it can be; 0: not known."""

    def __new__(
        cls, value: int, function: Callable[..., int] | None, values: tuple[int, ...], most: int = 0
    ) -> Counted:
        """Return the number with what it follows from."""
        made = int.__new__(cls, value)
        made.function, made.values, made.most = function, values, most
        return made

    def of(self, numbers: Numbers) -> int:
        """Return what it is for these counts."""
        if self.function is None:
            return numbers[self.values[0]]
        return self.function(*[value.of(numbers) if type(value) is Counted else value for value in self.values])

    @property
    def key(self) -> tuple[Any, ...]:
        """What is the same of numbers that follow in the same way from the same counts."""
        return (self.function, *[value.key if type(value) is Counted else value for value in self.values])


def counted(numbers: Numbers, place: int = 0, most: int = 0) -> Counted:
    """Return one of a call's counts, which is at most `most` in any."""
    return Counted(numbers[place], None, (place,), most)


def times(count: int, each: int) -> int:
    """Return the product, counted if the count is."""
    return following(mul, count, each)


def following(function: Callable[..., int], *values: int) -> int:
    """Return function(*values), counted if one of these is."""
    found = function(*values)
    if any(type(value) is Counted for value in values):
        return Counted(found, function, values)
    return found
