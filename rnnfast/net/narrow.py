"""Weights of frozen nets rounded to narrower number types: what they become, and how files keep them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from rnnfast.checks.values import one_of
from rnnfast.net.description import Net
from rnnfast.net.formats import BFLOAT16
from rnnfast.problem import Array

Weights = Literal["bfloat16", "int8"]
WEIGHTS: tuple[Weights, ...] = ("bfloat16", "int8")
SCALE = "_scale"
"""What the name of an int8 matrix's scales ends in, a float32 for each of its rows."""
MOST = 127
_LOW_BITS = np.uint32(0x7F)
_LEAST = np.float32(2.0**-100)
_LARGEST = np.float32(2.0**128 * (1 - 2.0**-15))


def check_weights(weights: Any, net: Net) -> Weights | None:
    """Return `weights` as it is. Raises TypeError or ValueError unless it is None or a type that such a net may have.

    >>> check_weights("int8", Net("GRU", "gru", 3, 4))
    'int8'
    """
    if weights is None:
        return None
    if weights == "float32":
        raise ValueError(
            f"weights is 'float32', expected one of {', '.join(map(repr, WEIGHTS))}, or None for no rounding"
        )
    one_of("weights", weights, WEIGHTS)
    if net.dtype != np.float32:
        raise ValueError(
            f"weights is {weights!r}, which nets of float32 alone have, this {net.name} computes in {net.dtype}: leave "
            'weights out, or make the net with dtype="float32"'
        )
    found: Weights = weights
    return found


def is_matrix(name: str) -> bool:
    """Return whether a parameter is one of those that are rounded: biases stay float32."""
    return name.startswith("weight_")


def rounded(name: str, matrix: Array, weights: Weights) -> Array:
    """Return a float32 matrix of the numbers that its narrow type stands for.

    bfloat16 rounds to nearest even. int8 has for every row whole numbers from -127 to 127 times a scale: the row's
    largest number over 127, rounded up to 17 bits, so that all products are float32 and rounding them again changes
    nothing. Raises ValueError where int8 is to hold a number that is not finite.

    >>> import numpy as np
    >>> rounded("weight_ih", np.array([[1.0, 0.7001, -0.3]], np.float32), "bfloat16")
    array([[ 1.        ,  0.69921875, -0.30078125]], dtype=float32)
    """
    if weights == "bfloat16":
        return widened_bfloat16(_bfloat16(matrix))
    whole, scale = _int8(name, matrix)
    return whole * scale[:, None]


def check_widened(name: str, array: Array) -> None:
    """Raise TypeError for a matrix as `stored` has it, the advice that of `check_dtype` being to lose its scales."""
    if array.dtype == BFLOAT16 or (array.dtype == np.int8 and is_matrix(name)):
        kind = "bfloat16" if array.dtype == BFLOAT16 else "int8"
        raise TypeError(
            f"{name} is in {kind}, as in the state dict of a net frozen with weights={kind!r}: load the frozen net's "
            "`parameters`, the float32 numbers that these stand for"
        )


def stored(name: str, matrix: Array, weights: Weights) -> dict[str, Array]:
    """Return the arrays that a file keeps of a matrix, by name: bfloat16 as its bits, or int8 and the rows' scales."""
    if weights == "bfloat16":
        return {name: _bfloat16(matrix).view(BFLOAT16)}
    whole, scale = _int8(name, matrix)
    return {name: whole.astype(np.int8), name + SCALE: scale}


def widened(arrays: Mapping[str, Array], weights: Weights) -> dict[str, Array]:
    """Return the float32 parameters that a file keeps in such types. Raises ValueError where they are none."""
    found: dict[str, Array] = {}
    for name, array in arrays.items():
        if not is_matrix(name):
            found[name] = array
        elif weights == "bfloat16":
            _expect(name, array, BFLOAT16, weights)
            found[name] = widened_bfloat16(array.view("<u2").astype(np.uint16))
        elif not name.endswith(SCALE):
            _expect(name, array, np.dtype(np.int8), weights)
            found[name] = array * _scale_of(name, array, arrays)[:, None]
        elif name.removesuffix(SCALE) not in arrays:
            raise ValueError(f"there is {name}, but no {name.removesuffix(SCALE)}")
    return found


def _scale_of(name: str, whole: Array, arrays: Mapping[str, Array]) -> Array:
    """Return the scales of an int8 matrix's rows. Raises ValueError unless rounding the products gives these again."""
    scale = arrays.get(name + SCALE)
    if scale is None or scale.dtype != np.float32 or whole.ndim != 2 or scale.shape != whole.shape[:1]:
        raise ValueError(f"{name} needs {name + SCALE}, a float32 for each of its rows")
    most, has_17_bits = scale * np.float32(MOST), (scale.view(np.uint32) & _LOW_BITS) == 0
    fits = has_17_bits & np.isfinite(most) & ((most >= _LEAST) | (scale.view(np.uint32) == 0))
    if not fits.all() or (np.abs(whole.astype(np.int16)).max(axis=1) != np.where(scale > 0, MOST, 0)).any():
        raise ValueError(
            f"{name} has a row whose largest number is not {MOST}, or 0 with a scale of 0, or a scale of more than 17 "
            "bits"
        )
    return scale


def _expect(name: str, array: Array, dtype: np.dtype[Any], weights: Weights) -> None:
    if array.dtype != dtype:
        raise ValueError(f"{name} has dtype {array.dtype}, expected {weights}, as the options say")


def widened_bfloat16(bits: Array) -> Array:
    """Return the float32 numbers whose upper halves these are, uint16."""
    found: Array = (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return found


def _bfloat16(matrix: Array) -> Array:
    bits = matrix.view(np.uint32)
    up = np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))
    found: Array = np.where(np.isnan(matrix), bits | np.uint32(1 << 22), bits + up) >> np.uint32(16)
    return found.astype(np.uint16)


def _int8(name: str, matrix: Array) -> tuple[Array, Array]:
    """Return whole numbers, as float32, and the scale of every row."""
    most = np.abs(matrix).max(axis=1)
    if not (most <= _LARGEST).all():
        raise ValueError(
            f"{name} holds NaN or infinity, which int8 has not, or a number beyond {_LARGEST:.4g}: leave weights out"
        )
    bits = (most / np.float32(MOST)).view(np.uint32)
    scale = np.where(most < _LEAST, np.uint32(0), (bits + _LOW_BITS) & ~_LOW_BITS).view(np.float32)
    whole = np.rint(matrix / np.where(scale > 0, scale, np.float32(np.inf))[:, None])
    return whole, scale
