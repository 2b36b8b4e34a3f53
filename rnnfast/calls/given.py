"""Gradients that a backward was given to write into before: seen again, they need few looks."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from typing import Any

from rnnfast.backends.c.watch import unchanged
from rnnfast.checks.overlap import owner_of
from rnnfast.problem import Array


class GivenGradients:
    """References to arrays, None for what was not given, that were found to fit and to lie apart."""

    def __init__(self, arrays: Sequence[Array | None]) -> None:
        given = [array for array in arrays if array is not None]
        self._ids = ids = [tuple(map(id, arrays))]
        # One that is gone empties the list: another array may come to lie in its place.
        self._references = [weakref.ref(array, lambda _: ids.clear()) for array in given]
        self._unchanged = unchanged(given, writeable=True)
        self.dense = all(array.flags.c_contiguous for array in given)
        owners = [owner_of(array) for array in given]
        self._owners = frozenset(map(id, owners)) if all(owner is not None for owner in owners) else None

    def are(self, arrays: Sequence[Any]) -> bool:
        """Whether these are the very same arrays, dense and of the same form as ever."""
        return [tuple(map(id, arrays))] == self._ids and self._unchanged is not None and self._unchanged()

    def surely_apart(self, arrays: Iterable[Array | None]) -> bool:
        """Whether no input can overlap any of them: each lies in memory that another array owns."""
        owners = self._owners
        if owners is None:
            return False
        for array in arrays:
            if array is not None and ((owner := owner_of(array)) is None or id(owner) in owners):
                return False
        return True
