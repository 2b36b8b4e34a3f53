"""A layer's steps on Keras's NumPy backend: one call of a net whose weights are packed once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnfast.backends import choose
from rnnfast.integrations.convert import of_keras
from rnnfast.modules.frozen import Frozen, freeze
from rnnfast.net.description import Net
from rnnfast.net.parameters import Parameters
from rnnfast.problem import Array

Results = tuple[Array, Array, list[Array]]
"""The last output (B, H), all of them (B, T, H), the states, each (B, H)."""


class Run:
    """Calls of one layer, which keep a copy of the weights and look at each call whether they are still the same.

    >>> x = np.ones((2, 5, 3), np.float32)
    >>> Run().takes(None, x, [np.zeros((2, 4), np.float32)], None), Run().takes(None, x, [np.zeros((2, 4))], None)
    (True, False)
    """

    def __init__(self) -> None:
        self._known: tuple[Net, list[Array], Frozen[Any]] | None = None

    def takes(self, cell: Any, x: Any, states: Sequence[Any], mask: Any) -> bool:
        """Return whether these are arrays of one dtype, of a step at least, and a mask (B, T), whatever the cell."""
        if not all(isinstance(part, np.ndarray) and part.dtype == x.dtype for part in (x, *states)):
            return False
        if mask is not None and np.shape(mask) != x.shape[:2]:
            return False
        return x.dtype in (np.float32, np.float64) and x.ndim == 3 and x.shape[1] > 0

    def __call__(self, net: Net, cell: Any, x: Array, states: Sequence[Array], mask: Any, backwards: bool) -> Results:
        """Run all steps of x (B, T, I); `backwards`: the last first, outputs in the order in which they are made."""
        flags = None if mask is None else np.asarray(mask).astype(bool)
        if backwards:
            x, flags = x[:, ::-1], None if flags is None else flags[:, ::-1]
        state = [part[None] for part in states]
        run = self._frozen(net, cell)
        y, final = run(x, tuple(state) if len(state) > 1 else state[0], mask=flags)
        if flags is not None and net.masked_output == "hold":
            # Before the first live step Keras's NumPy backend gives the state that it began with, its others zeros.
            begun = np.logical_or.accumulate(flags, axis=1)[:, :, None]
            y = np.where(begun, y, states[0][:, None])
        after = final if isinstance(final, tuple) else (final,)
        return y[:, -1], y, [part[0] for part in after]

    def _frozen(self, net: Net, cell: Any) -> Frozen[Any]:
        weights = [cell.kernel, cell.recurrent_kernel, *([cell.bias] if net.bias else ())]
        arrays = [_widened(np.ascontiguousarray(variable.value), net.dtype) for variable in weights]
        if self._known is not None:
            before, copies, frozen = self._known
            if before == net and all(map(_is_same, arrays, copies)):
                return frozen
        named = of_keras(net.name, *arrays)
        frozen = freeze(net, Parameters(named, net), choose.select(None, "cpu", net.cell))
        self._known = net, [array.copy() for array in arrays], frozen
        return frozen


def _widened(array: Array, dtype: np.dtype[Any]) -> Array:
    """Return an array in the dtype that its variable says, where that has all its numbers: initial ones are float32."""
    return array.astype(dtype, copy=False) if np.can_cast(array.dtype, dtype) else array


def _is_same(one: Array, other: Array) -> bool:
    """Return whether two arrays hold the same bits: NaN is the same as itself, and -0 is not 0."""
    whole = f"i{one.itemsize}"
    return one.dtype == other.dtype and np.array_equal(one.view(whole), other.view(whole))
