"""Gradients that a backward was given to write into before: seen again, they need few looks."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from rnnfast.backends.c.watch import apart, unchanged
from rnnfast.checks.overlap import owner_of
from rnnfast.problem import Array


class GivenGradients:
    """References to arrays, None for what was not given, that were found to fit and to lie apart."""

    def __init__(self, arrays: Sequence[Array | None], names: list[str]) -> None:
        """`names`: of the parameters, whose gradients end the list."""
        given = [array for array in arrays if array is not None]
        self.names, self._ids = names, [*map(id, arrays)]
        ids = self._ids
        # One that is gone empties the list: another array may come to lie in its place.
        self._references = [weakref.ref(array, lambda _: ids.clear()) for array in given]
        self._unchanged = unchanged(given, writeable=True)
        self.dense = all(array.flags.c_contiguous for array in given)
        self._apart = apart([owner_of(array) for array in given])

    def are(self, arrays: Sequence[Any]) -> bool:
        """Return whether these are the very same arrays, dense and of the same form as ever."""
        return [*map(id, arrays)] == self._ids and self._unchanged is not None and self._unchanged()

    def surely_apart(
        self,
        x: Array,
        dy: Array | None,
        mask: Array | None,
        resets: Array | None,
        start: Sequence[Array | None],
        d_final: Sequence[Array | None],
    ) -> bool:
        """Return whether all that a backward reads lies in memory that other arrays own: none can overlap."""
        return self._apart is not None and self._apart(x, dy, mask, resets, start, d_final)
