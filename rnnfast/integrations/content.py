"""What a reader finds in a model's file: parts and arrays as the library's own files have them, and what it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnnfast.checks.arrays import DTYPES
from rnnfast.net.loading import cast, is_real
from rnnfast.net.saved import Part
from rnnfast.problem import Array

SWOLLEN, SMALL = 100, 2**20
"""Times its stored bytes that what is in a file may take, and bytes that anything may: beyond, it is made to fill
memory."""


@dataclass(frozen=True)
class Content:
    """Parts in the order in which they run, and their arrays, called PART.NAME.

    >>> Content("RNNFAST", [], {}).sample_rate is None
    True
    """

    library: str
    """Whose format the file has."""
    parts: Sequence[Part]
    arrays: Mapping[str, Array]
    conversions: Mapping[str, str] = field(default_factory=dict)
    """What became of a part's arrays, by its name."""
    sample_rate: float | None = None
    """Samples per second of the sound that the model was made for, where the file tells."""
    remarks: Sequence[str] = ()
    """What else the file tells of the model."""


def of_dtype(arrays: Mapping[str, Array], dtype: np.dtype[Any] | None) -> dict[str, Array]:
    """Return the arrays, those of real numbers converted where `dtype` asks.

    Raises ValueError that names one of real numbers neither float32 nor float64 where it does not ask, and one of
    numbers that only a larger dtype can hold.

    >>> of_dtype({"a": np.ones(2, np.float16)}, np.dtype("float32"))
    {'a': array([1., 1.], dtype=float32)}
    """
    found = dict(arrays)
    for name, array in arrays.items():
        if not is_real(array) or array.dtype == dtype:
            continue
        if dtype is not None:
            found[name] = cast(name, array, dtype)
        elif array.dtype not in DTYPES:
            kind = ", ".join(array.dtype.names or (str(array.dtype),))
            raise ValueError(f"{name} has dtype {kind}: nothing is cast unasked, pass dtype='float32' to convert it")
    return found
