"""JSON files read strictly: every value knows where in the file it stands, and says so where it is not as expected."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnfast.problem import Array

KINDS = {dict: "an object", list: "an array", str: "a text", bool: "true or false", type(None): "null"}
LONGEST = 60
"""Characters of a text that messages show."""
MOST_AXES = 4
"""Of arrays whose shape the file does not tell otherwise."""


def load(path: str) -> Value:
    """Return the whole of a JSON file. Raises ValueError for what is none; OSError where it cannot be read."""
    with open(path, "rb") as file:
        return parsed(file.read())


def parsed(data: bytes) -> Value:
    """Return the whole of a JSON text. Raises ValueError for what is none.

    >>> parsed(b'{"sizes": [3]}')["sizes"][0].size()
    3
    """
    try:
        return Value(json.loads(data.decode("utf-8-sig"), parse_constant=_refuse, object_pairs_hook=_once))
    except RecursionError:
        raise ValueError("too many brackets within brackets: this is no file of a model") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is no UTF-8, expected a JSON file") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not a JSON file, or not the whole of it: {error}") from None


def _refuse(word: str) -> Any:
    raise ValueError(f"holds {word}, expected finite numbers")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object whose names are told apart; readers differ on which of two equal ones counts."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"an object has {next(n for n in names if names.count(n) > 1)!r} twice")
    return found


def shown(text: str) -> str:
    """Return a text of a file as messages show it: as it is where it is short and printable, else quoted, and cut.

    >>> print(shown("weight"), shown("\x1b[2J"))
    weight '\\x1b[2J'
    """
    return text if len(text) <= LONGEST and text.isprintable() else f"{text[:LONGEST]!r}"


class Value:
    """A value of a JSON file and its place there, such as layers[1].weights[0].

    >>> value = Value({"sizes": [3, 4]})
    >>> value["sizes"][1].size()
    4
    >>> value["weights"]
    Traceback (most recent call last):
    ...
    ValueError: weights is missing
    """

    def __init__(self, value: Any, place: str = "") -> None:
        self.value, self.place = value, place

    def __getitem__(self, key: str | int) -> Value:
        if isinstance(key, int):
            items = self.items()
            if not -len(items) <= key < len(items):
                raise ValueError(f"{self._here()} has {len(items)} entries, expected at least {key + 1}")
            return items[key]
        if key not in self:
            raise ValueError(f"{self._place_of(key)} is missing")
        return Value(self.value[key], self._place_of(key))

    def __contains__(self, key: str) -> bool:
        return key in self._of(dict)

    def keys(self) -> list[str]:
        """Return the names in an object, in the order of the file."""
        return list(self._of(dict))

    def items(self) -> list[Value]:
        """Return the entries of an array."""
        return [Value(item, f"{self.place}[{n}]") for n, item in enumerate(self._of(list))]

    def count(self) -> int:
        """Return how many entries an array has."""
        return len(self._of(list))

    def text(self) -> str:
        """Return a text."""
        found: str = self._of(str)
        return found

    def size(self) -> int:
        """Return a whole number from 1 to 2**31 - 1."""
        if type(self.value) is not int or not 1 <= self.value < 2**31:
            raise self.wrong("a whole number from 1 to 2**31 - 1")
        return self.value

    def number(self) -> float:
        """Return a finite number."""
        return float(self.numbers((), np.dtype(np.float64)))

    def numbers(self, shape: tuple[int, ...] | None, dtype: np.dtype[Any]) -> Array:
        """Return an array of this shape, None: of any, from arrays within arrays of numbers."""
        kinds, axes = set[type](), MOST_AXES if shape is None else len(shape)
        if not _collect(self.value, kinds, axes):
            raise ValueError(f"{self._here()} has more than {axes} axes, expected {shape or 'fewer'}")
        if kinds - {int, float}:
            raise ValueError(f"{self._here()} holds {_said(kinds - {int, float})}, expected numbers")
        try:
            found = np.array(self.value, np.float64)
        except OverflowError:
            raise ValueError(f"{self._here()} holds a number that is too large") from None
        except ValueError:
            raise ValueError(f"{self._here()} holds rows of different lengths") from None
        if shape is not None and found.shape != shape:
            raise ValueError(f"{self._here()} has shape {found.shape}, expected {shape}")
        with np.errstate(over="ignore"):
            rounded: Array = found.astype(dtype)
        if not np.isfinite(rounded).all():
            raise ValueError(f"{self._here()} holds numbers beyond {dtype.name}")
        return rounded

    def wrong(self, expected: str) -> ValueError:
        """Return the error that says what stands here in place of what was expected."""
        return ValueError(f"{self._here()} is {self._said()}, expected {expected}")

    def one_of(self, known: Sequence[str]) -> str:
        """Return a text that is among those known; others are not supported."""
        if (text := self.text()) not in known:
            expected = ", ".join(map(repr, known))
            raise ValueError(f"{self._here()} is {self._said()}, which is not supported, expected one of {expected}")
        return text

    def _said(self) -> str:
        if isinstance(self.value, str):
            return repr(self.value[:LONGEST])
        return KINDS.get(type(self.value), repr(self.value)[:LONGEST])

    def _of(self, kind: type) -> Any:
        if type(self.value) is not kind:
            raise self.wrong(KINDS[kind])
        return self.value

    def _here(self) -> str:
        return self.place or "the file"

    def _place_of(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else shown(key)


def _collect(value: Any, kinds: set[type], axes: int) -> bool:
    """Add the types of all values that are no arrays; return whether there are no more than so many axes."""
    if type(value) is not list:
        kinds.add(type(value))
        return True
    found = set(map(type, value))
    kinds |= found - {list}
    return axes > 0 and (list not in found or all(_collect(item, kinds, axes - 1) for item in value))


def _said(kinds: set[type]) -> str:
    return " and ".join(sorted(KINDS[kind] for kind in kinds))
