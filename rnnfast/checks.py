"""Checks of options that are single values; arrays are checked in arrays.py and calls.py."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np

from rnnfast.arrays import DTYPES


def whole(name: str, value: Any, *, lowest: int = 1, highest: int | None = None) -> int:
    """`value` as an int. Raises TypeError unless it is a whole number, ValueError outside the bounds."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be a whole number, got {type(value).__name__}")
    number = int(value)
    if number < lowest or (highest is not None and number > highest):
        expected = f"at least {lowest}" if highest is None else f"{lowest} to {highest}"
        raise ValueError(f"{name} is {value}, expected {expected}")
    return number


def probability(name: str, value: Any) -> float:
    """`value` as a float. Raises TypeError unless it is a number, ValueError outside [0, 1)."""
    if not isinstance(value, Real):
        raise TypeError(f"{name} must be a number in [0, 1), got {type(value).__name__}")
    number = float(value)
    if not 0 <= number < 1:
        raise ValueError(f"{name} is {value}, expected a probability in [0, 1)")
    return number


def truth(name: str, value: Any) -> bool:
    """`value` as a bool. Raises TypeError unless it is True or False: the string "false" would count as true."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {type(value).__name__}")
    return bool(value)


def one_of(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Raise ValueError unless `value` is among the choices."""
    if value not in choices:
        raise ValueError(f"{name} is {value!r}, expected one of {', '.join(map(repr, choices))}")


def float_dtype(dtype: Any) -> np.dtype[Any]:
    """`dtype` as a NumPy dtype. Raises TypeError unless it is float32 or float64 in native byte order."""
    if dtype is not None:  # which NumPy reads as float64
        found: np.dtype[Any] = np.dtype(dtype)
        if found in DTYPES:
            return found
    raise TypeError(f"dtype is {dtype!r}, expected 'float32' or 'float64' in this machine's byte order")
