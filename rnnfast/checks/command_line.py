"""Words of the command line read as numbers within bounds, lists of numbers or names, pairs; argparse calls these."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Collection
from typing import TypeVar

Number = TypeVar("Number", int, float)


def count(text: str) -> int:
    """Return `text` as a whole number of at least 1, else raise argparse.ArgumentTypeError, as all of these do."""
    return _number(int, text, "a whole number of at least 1", lambda value: value >= 1)


def seed(text: str) -> int:
    """Return `text` as a whole number from 0 to 2**63 - 1."""
    return _number(int, text, "a whole number from 0 to 2**63 - 1", lambda value: 0 <= value < 2**63)


def positive(text: str) -> float:
    """Return `text` as a finite number above 0."""
    return _number(float, text, "a finite number above 0", lambda value: 0 < value < math.inf)


def not_negative(text: str) -> float:
    """Return `text` as a finite number of at least 0."""
    return _number(float, text, "a finite number of at least 0", lambda value: 0 <= value < math.inf)


def counts(text: str) -> tuple[int, ...]:
    """Return the whole numbers of at least 1 between commas, each once.

    >>> counts("16,32,16")
    (16, 32)
    """
    return tuple(dict.fromkeys(count(part) for part in text.split(",")))


def names_of(allowed: Collection[str] | None = None, *, none: bool = False) -> Callable[[str], tuple[str, ...]]:
    """Return a reader of names between commas, each one of `allowed`, None: any. With `none`, "none" means no name."""

    def names(text: str) -> tuple[str, ...]:
        found = () if none and text == "none" else tuple(dict.fromkeys(text.split(",")))
        for name in found:
            if allowed is not None and name not in allowed:
                raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(allowed)}")
        return found

    return names


def pairs(text: str) -> dict[str, str]:
    """Return the pairs NAME=VALUE between commas, in their order, each name once.

    >>> pairs("rnn=LSTM,head=Linear")
    {'rnn': 'LSTM', 'head': 'Linear'}
    """
    found: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not (equals and value) or name in found:
            raise argparse.ArgumentTypeError(f"{part!r} is not NAME=VALUE, or {name!r} is there twice")
        found[name] = value
    return found


def _number(kind: Callable[[str], Number], text: str, expected: str, fits: Callable[[Number], bool]) -> Number:
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not fits(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not {expected}")
    return value
