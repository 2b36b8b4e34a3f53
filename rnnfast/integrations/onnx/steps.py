"""Calls bound to places in a list of values, where they find what they take and put what they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

    def of_all(values: Values) -> None:
        values[target] = call(*[values[source] for source in sources])

    return of_all


def of_results(call: Callable[..., Any], sources: Sequence[int], targets: Sequence[int]) -> Step:
    """Return what puts the results of a call, one or more, in their places."""

    def step(values: Values) -> None:
        for target, result in zip(targets, call(*[values[source] for source in sources]), strict=False):
            values[target] = result

    return step
