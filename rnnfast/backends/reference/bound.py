"""A prepared call of the reference: the caller's axes brought into time-major order around the net."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnfast.arrays.layout import Layout
from rnnfast.backends.contract import BackwardArrays, ForwardArrays
from rnnfast.backends.reference import net, reserves
from rnnfast.backends.reference.reserves import Reserve
from rnnfast.problem import Array, Problem


class Bound:
    """Calls of one problem. It holds nothing that a run changes, so any number of threads may run it."""

    def __init__(self, problem: Problem, layout: Layout) -> None:
        self.problem, self.layout = problem, layout

    def run(self, arrays: ForwardArrays, dropout_seed: int = 0) -> Reserve | None:
        """Write y and the final states; return what backward needs where the problem is recorded, else None."""
        arrays = arrays._replace(
            x=self.layout.sequence(arrays.x),
            y=self.layout.sequence(arrays.y),
            start=self._states(arrays.start),
            final=self._states(arrays.final),
        )
        with np.errstate(all="ignore"):
            return net.forward(self.problem, arrays, dropout_seed)

    def backward(self, reserve: Reserve, arrays: BackwardArrays, *, overwrite: bool = True, keep: bool = False) -> None:
        """Write the gradients; with overwrite=False those of the parameters are added to. x is not read again.

        Keeps the reserve in any case.
        """
        arrays = arrays._replace(
            dy=None if arrays.dy is None else self.layout.sequence(arrays.dy),
            dx=None if arrays.dx is None else self.layout.sequence(arrays.dx),
            d_final=self._states(arrays.d_final),
            d_start=self._states(arrays.d_start),
        )
        with np.errstate(all="ignore"):
            net.backward(self.problem, reserve, arrays, overwrite=overwrite)

    def activations(self, reserve: Reserve) -> dict[str, Array]:
        """Return post-activation gates and, of cells that have it, "c" by name: (L·D, T, B, H), zero where not live."""
        return reserves.activations(self.problem, reserve)

    def reserve_bytes(self) -> int:
        """Return the bytes of the arrays that a reserve holds where every step is live."""
        return reserves.reserve_bytes(self.problem)

    def ran(self, reserve: Reserve | None) -> str:
        """Return "": there is one way."""
        return ""

    def _states(self, arrays: Sequence[Array | None]) -> list[Array | None]:
        """Return the caller's states as views (L·D, B, H)."""
        return [None if array is None else self.layout.state(array) for array in arrays]
