"""Numbers of a launch that follow from how many steps of a call are live, and say how: for launches that come again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Counted(int):
    """A number as it is for one count of live steps; `of` says what it is for any.

    What Python makes of it is an int like others: `following` computes with it.

    >>> half = following(lambda count, by: count // by, counted(8), 2)
    >>> half, half.of(6)
    (4, 3)
    """

    of: Callable[[int], int]

    def __new__(cls, value: int, of: Callable[[int], int]) -> Counted:
        """Return the number with what it follows from."""
        made = int.__new__(cls, value)
        made.of = of
        return made


def counted(count: int) -> Counted:
    """Return the number of live steps itself."""
    return Counted(count, int)


def following(function: Callable[..., int], *values: int) -> int:
    """Return function(*values), counted if one of these is."""
    found = function(*values)
    if not any(type(value) is Counted for value in values):
        return found

    def of(count: int) -> int:
        then: list[Any] = [value.of(count) if type(value) is Counted else value for value in values]
        return function(*then)

    return Counted(found, of)
