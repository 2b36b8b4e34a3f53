"""Access to a call's arrays, in host memory or on a device: the protocol of what calls need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from rnnfast.problem import Array


class Access(Protocol):
    """Means to see arrays and to make new ones. For host memory the module rnnfast.arrays.host is one."""

    library: Any
    """Whose arrays they are on a device; None in host memory."""

    def as_array(self, name: str, value: Any) -> Any:
        """Return `value` as checks and backends see it. Raises TypeError where it lives elsewhere."""

    def on_host(self, name: str, value: Any) -> Any:
        """Return `value`, which may live here or in host memory, as something in host memory."""

    def new(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """A new array for a result, as backends see it."""

    def new_each(self, shapes: Sequence[tuple[int, ...]], dtype: np.dtype[Any]) -> list[Any]:
        """New arrays for results, which may lie in one piece of memory."""

    def result(self, array: Any) -> Any:
        """Return a new array as callers get it."""

    def check_output(
        self, name: str, out: Any, shape: tuple[int, ...], dtype: np.dtype[Any], owner: str, *, dense: bool
    ) -> Any:
        """Return `out` if results can be written straight into it, else raise."""

    def strided(self, array: Any) -> Any:
        """Return `array` itself if backends can walk it, else a copy that they can."""

    def dense(self, array: Any) -> Any:
        """Return `array` itself if backends take it for a state, else a copy that they take."""

    def apart(self, array: Any, outputs: Iterable[Any]) -> Any:
        """Return `array`, copied if it may overlap an output."""

    def frame(self, array: Any) -> Array:
        """Return an array that tells by address and strides where this one lies."""
