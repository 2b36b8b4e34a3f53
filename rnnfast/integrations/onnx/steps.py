"""Calls bound to places in a list of values, where they find what they take and put what they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

Values = list[Any]
Step = Callable[[Values], None]


def of_result(call: Callable[..., Any], sources: Sequence[int], target: int) -> Step:
    """Return what puts the result of a call in its place; a call of few inputs without a list of them."""
    if len(sources) == 1:
        (one,) = sources

        def of_one(values: Values) -> None:
            values[target] = call(values[one])

        return of_one
    if len(sources) == 2:
        first, second = sources

        def of_two(values: Values) -> None:
            values[target] = call(values[first], values[second])

        return of_two

    taken = taking(sources)

    def of_all(values: Values) -> None:
        values[target] = call(*taken(values))

    return of_all


def of_results(call: Callable[..., Any], sources: Sequence[int], targets: Sequence[int]) -> Step:
    """Return what puts the results of a call, some of which have no place, in their places."""
    taken, count = taking(sources), len(targets)
    if targets and [*targets] == [*range(targets[0], targets[0] + count)]:
        places = slice(targets[0], targets[0] + count)

        def side_by_side(values: Values) -> None:
            values[places] = call(*taken(values))[:count]

        return side_by_side

    def apart(values: Values) -> None:
        for target, result in zip(targets, call(*taken(values)), strict=False):
            values[target] = result

    return apart


def taking(places: Sequence[int]) -> Callable[[Values], tuple[Any, ...]]:
    """Return what takes the values of these places out of a list.

    >>> taking([2, 0])("abc"), taking([1])("abc"), taking([])("abc")
    (('c', 'a'), ('b',), ())
    """
    if len(places) > 1:
        return itemgetter(*places)
    return lambda values: tuple([values[place] for place in places])
