"""Options that are single values: each check returns the value as it is used, or raises an error that names it."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from numbers import Integral, Real
from typing import Any

import numpy as np

from rnnfast.checks.arrays import DTYPES

SEEDS = 2**64
"""Seeds are 0 .. SEEDS - 1."""


def whole(name: str, value: Any, *, lowest: int = 1, highest: int | None = None) -> int:
    """Return `value` as an int. Raises TypeError unless it is a whole number, ValueError outside the bounds.

    >>> whole("num_layers", np.int64(2))
    2
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be a whole number, got {type(value).__name__}")
    number = int(value)
    if number < lowest or (highest is not None and number > highest):
        expected = f"at least {lowest}" if highest is None else f"{lowest} to {highest}"
        raise ValueError(f"{name} is {value}, expected {expected}")
    return number


def projection(size: Any, hidden_size: int) -> int:
    """Return `size` as an int, 0 for none. Raises TypeError unless it is a whole number, ValueError outside 0..H - 1.

    >>> projection(2, hidden_size=4)
    2
    """
    number = whole("proj_size", size, lowest=0)
    if number >= hidden_size:
        expected = f"expected less than hidden_size, {hidden_size}, or 0 for none"
        raise ValueError(f"proj_size is {number}, {expected}")
    return number


def seed_or_none(name: str, value: Any) -> int | None:
    """Return `value` as a seed, None for a fresh one. Raises as `whole`, ValueError outside 0 .. SEEDS - 1."""
    return None if value is None else whole(name, value, lowest=0, highest=SEEDS - 1)


def probability(name: str, value: Any) -> float:
    """Return `value` as a float. Raises TypeError unless it is a number, ValueError outside [0, 1)."""
    return _number(name, value, "a probability in [0, 1)", lambda number: 0 <= number < 1)


def finite(name: str, value: Any, dtype: np.dtype[Any]) -> float:
    """Return `value` as a float. Raises TypeError unless it is a number, ValueError unless `dtype` can hold it."""
    highest = float(np.finfo(dtype).max)
    return _number(name, value, f"a finite number of {dtype.name}", lambda number: abs(number) <= highest)


def positive(name: str, value: Any) -> float:
    """Return `value` as a float. Raises TypeError unless it is a number, ValueError unless finite and above zero."""
    return _number(name, value, "a finite number above 0", lambda number: 0 < number < math.inf)


def not_negative(name: str, value: Any) -> float:
    """Return `value` as a float. Raises TypeError unless it is a number, ValueError unless finite and not negative."""
    return _number(name, value, "a finite number of at least 0", lambda number: 0 <= number < math.inf)


def fraction(name: str, value: Any) -> float:
    """Return `value` as a float. Raises TypeError unless it is a number, ValueError unless it is between 0 and 1."""
    return _number(name, value, "a number above 0 and below 1", lambda number: 0 < number < 1)


def _number(name: str, value: Any, expected: str, fits: Callable[[float], bool]) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be {expected}, got {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:  # a whole number or fraction beyond every float
        number = math.inf
    if not fits(number):
        raise ValueError(f"{name} is {value}, expected {expected}")
    return number


def truth(name: str, value: Any) -> bool:
    """Return `value` as a bool. Raises TypeError unless it is True or False: the string "false" would count as true."""
    if value is True or value is False:
        return value
    if not isinstance(value, np.bool_):
        raise TypeError(f"{name} must be True or False, got {type(value).__name__}")
    return bool(value)


def one_of(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise TypeError unless `value` is a string, ValueError unless it is among the choices."""
    expected = f"one of {', '.join(map(repr, choices))}"
    if not isinstance(value, str):
        raise TypeError(f"{name} must be {expected}, got {type(value).__name__}")
    if value not in choices:
        raise ValueError(f"{name} is {value!r}, expected {expected}")


def float_dtype(dtype: Any) -> np.dtype[Any]:
    """Return `dtype` as a NumPy dtype. Raises TypeError unless it is float32 or float64 in native byte order."""
    with suppress(TypeError, ValueError, SyntaxError):  # NumPy's, where it cannot make sense of `dtype`
        found: np.dtype[Any] = np.dtype(dtype)
        if dtype is not None and found in DTYPES:  # NumPy reads None as float64
            return DTYPES[DTYPES.index(found)]  # the one object that most arrays have, which is told apart fast
    raise TypeError(f"dtype is {dtype!r}, expected 'float32' or 'float64' in this machine's byte order")
