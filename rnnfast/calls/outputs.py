"""Arrays that a backward was given to write into before: seen again, they need few looks."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnfast.problem import Array


class Outputs:
    """References to arrays, None for what was not given, that were found to fit and to lie apart."""

    def __init__(self, arrays: Sequence[Array | None]) -> None:
        self.known = [None if array is None else (weakref.ref(array), array.shape, array.dtype) for array in arrays]
        owners = [_owner(array) for array in arrays if array is not None]
        self.owners = frozenset(map(id, owners)) if all(owner is not None for owner in owners) else None

    def are(self, arrays: Sequence[Any]) -> bool:
        """Whether these are the very same arrays, dense ones, of the same form as ever."""
        for known, array in zip(self.known, arrays, strict=True):
            if known is None or array is None:
                if known is not array:
                    return False
                continue
            reference, shape, dtype = known
            if reference() is not array or array.shape != shape or array.dtype is not dtype or not array.flags.carray:
                return False
        return True

    def surely_apart(self, array: Array | None) -> bool:
        """Whether an input cannot overlap any of them: it lies in memory that another array owns."""
        if array is None:
            return True
        owner = _owner(array)
        return owner is not None and self.owners is not None and id(owner) not in self.owners


def _owner(array: Array) -> Array | None:
    """Return the array that owns the memory of this one; None where that is no array."""
    owner = array if array.base is None else array.base
    return owner if type(owner) is np.ndarray and owner.flags.owndata else None
