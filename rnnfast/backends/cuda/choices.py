"""Which kernels make the products over ragged rows: it follows from how many steps are live."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rnnfast.backends.cuda.gemm.multiply import FEWEST, REACH
from rnnfast.backends.cuda.gemm.products import SMALLEST, side_for, side_for_step, side_of_weights, slices_for
from rnnfast.backends.cuda.layer_shape import LayerShape
from rnnfast.backends.cuda.ragged import Ragged

COUNTS_KEPT = 1 << 12


class Choices:
    """The choices of the layers of a net."""

    def __init__(self, layers: Sequence[LayerShape], steps: int, *, record: bool) -> None:
        self._shapes = sorted({(layer.inputs, layer.columns) for layer in layers})
        self._of_weights = [
            *self._shapes,
            *[(run.count * layers[0].size, layers[0].size) for run in layers[0].cell.runs],
        ]
        self._record = record
        widest = max(layer.width + layer.columns for layer in layers)
        self._reached = steps * layers[0].batch * widest < REACH
        self._known: dict[int, tuple[Any, ...]] = {}
        of_steps = [*_of_steps(layers[0], record=record)] if layers[0].tier.block is None else []
        self._is_one = all(side == SMALLEST for side in of_steps)
        """Whether the products of a step take one kernel, however few rows are live in it."""

    def form(self, live: Ragged) -> tuple[Any, ...] | None:
        """Return what is the same in calls that start the same kernels; None where one of theirs is none of ours."""
        count = live.numbers[0]
        if count < FEWEST or not self._reached:
            return None
        found = self._known.get(count)
        if found is None:
            if len(self._known) >= COUNTS_KEPT:
                self._known.clear()
            found = self._known[count] = tuple(self._sides(count))
        return *live.has, *found, b"" if self._is_one else live.together

    def _sides(self, count: int) -> list[int]:
        """Return the sides of tiles of all products over so many entries, and which of them are made in slices."""
        found = [side_for(count, inputs) for inputs, _ in self._shapes]
        for rows, columns in self._of_weights if self._record else ():
            slices = slices_for(rows, columns, count)
            found += [side_of_weights(rows, columns, count, slices), min(slices, 2)]
        return found + ([side_for(count, columns) for _, columns in self._shapes] if self._record else [])


def _of_steps(layer: LayerShape, *, record: bool) -> Iterator[int]:
    """Return the sides of tiles of a step's products in tier C where all rows are live."""
    for phase in layer.cell.phases:
        yield side_for_step(layer.batch, phase.count * layer.size, layer.size)
        if record:
            yield from [side_for_step(layer.batch, layer.size, run.count * layer.size) for run in phase.runs]
