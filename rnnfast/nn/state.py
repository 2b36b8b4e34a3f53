"""States from which training goes on: settings, numbers and arrays taken down by name, and taken up all or none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from rnnfast.arrays.host import apart
from rnnfast.checks.arrays import check_shape
from rnnfast.checks.values import whole
from rnnfast.nn import checks
from rnnfast.problem import Array

Checks = Mapping[str, Callable[[str, Any], Any]]
"""Functions that return a value as it should be or raise, called with its name and the value, by the same name."""


class Faults:
    """Everything that is wrong with one state, told in one error."""

    def __init__(self) -> None:
        self._values: list[str] = []
        self._types: list[str] = []

    def add(self, fault: str) -> None:
        """Note one that is a ValueError."""
        self._values.append(fault)

    def names(self, found: Iterable[str], expected: Iterable[str]) -> None:
        """Note every name that is missing and every one that is not expected."""
        found, expected = dict.fromkeys(found), dict.fromkeys(expected)
        self._values += [f"missing {name}" for name in expected if name not in found]
        self._values += [f"unexpected {name}" for name in found if name not in expected]

    @contextmanager
    def noted(self, where: str = "") -> Iterator[None]:
        """Note a ValueError or a TypeError that is raised within, `where` in front of its text, and go on."""
        try:
            yield
        except ValueError as error:
            self._values.append(f"{where}{error}")
        except TypeError as error:
            self._types.append(f"{where}{error}")

    def check(self, text: str) -> None:
        """Raise ValueError if a fault was noted, TypeError if all of them are wrong types."""
        if self._values or self._types:
            text = f"{text}: {'; '.join(self._values + self._types)}"
            raise ValueError(text) if self._values else TypeError(text)


class Stateful:
    """The base of optimisers, schedules and whatever else changes while a net is trained.

    `settings` names the attributes that must be the same in what a state is loaded into, `numbers` those that are taken
    over, each with the function that checks it.
    """

    settings: ClassVar[tuple[str, ...]] = ()
    numbers: ClassVar[Checks] = {}

    def state_dict(self) -> dict[str, Any]:
        """Return the kind, settings and numbers by name, and copies of the arrays, all that `load_state_dict` needs."""
        values = {name: getattr(self, name) for name in (*self.settings, *self.numbers)}
        values |= {name: np.array(value, np.float64) for name, value in values.items() if isinstance(value, list)}
        return {"kind": type(self).__name__} | values | {name: a.copy() for name, a in self._state_arrays().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the object ended that `state` was taken of: all of it is taken over or, at a fault, nothing.

        Raises ValueError that lists every fault: another kind, a setting that differs, a name that is missing or
        unexpected, a wrong shape or number; TypeError where dtypes or types alone are wrong.
        """
        kind, arrays, faults = type(self).__name__, self._state_arrays(), Faults()
        if not isinstance(state, Mapping):
            raise TypeError(f"state must be a mapping as {kind}.state_dict returns, got {type(state).__name__}")
        given = {name: value if name in arrays else plain(value) for name, value in state.items()}
        if given.get("kind", kind) != kind:
            raise ValueError(f"this is the state of {given['kind']}, expected one of {kind}: make what was saved")
        faults.names(given, ["kind", *self.settings, *self.numbers, *arrays])
        for name in self.settings:
            if (saved := given.get(name, here := plain(getattr(self, name)))) != here:
                faults.add(f"{name} was {saved!r}, here it is {here!r}: make it with the same")
        numbers = {}
        for name, check in self.numbers.items():
            if name in given:
                with faults.noted():
                    numbers[name] = check(name, given[name])
        loaded = fitting(given, arrays, faults)
        faults.check(f"this state does not fit this {kind}")
        for name, number in numbers.items():
            setattr(self, name, number)
        for name, array in loaded.items():
            arrays[name][...] = array

    def _state_arrays(self) -> dict[str, Array]:
        """The live arrays that belong to the state, by name."""
        return {}


def fitting(values: Mapping[str, Any], arrays: Mapping[str, Array], faults: Faults) -> dict[str, Array]:
    """Return the values to copy into `arrays`, apart from these in memory; note a wrong shape or dtype in `faults`."""
    found: dict[str, Any] = {}
    for name, array in arrays.items():
        if name in values:
            with faults.noted():
                given = checks.floats_as(name, values[name], "this one", array.dtype)
                check_shape(name, given, array.shape)
                found[name] = apart(given, arrays.values())
    return found


def plain(value: Any) -> Any:
    """Return a number, text or list as a file gives it back: a NumPy array or number and a tuple become Python's own.

    >>> plain((0.9, 0.999)), plain(np.int64(3))
    ([0.9, 0.999], 3)
    """
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def count(name: str, value: Any) -> int:
    """Return `value` as an int from 0 on. Raises TypeError unless it is a whole number, ValueError below 0."""
    return whole(name, value, lowest=0)


def number(name: str, value: Any) -> float:
    """Return `value` as a float, NaN and infinity included. Raises TypeError unless it is a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}")
    return float(value)
