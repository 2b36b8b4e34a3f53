"""Rows of a call that differ, as tables for kernels: brought to the device in one piece, once for all layers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from rnnfast.backends.common.layers import live_steps, schedule
from rnnfast.backends.cuda.cluster.ragged import RaggedTables, tables_of_flags, tables_of_lengths
from rnnfast.backends.cuda.cluster.sizes import all_live
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.problem import Array, Problem

ALIGNED = 16
"""Bytes at a multiple of which a table begins."""
NAMES = ("lengths", "order", "spans", "rows", "flags")


class Live:
    """The tables of a call with lengths, a mask or resets. `rows`: the positions t B + b of live steps."""

    def __init__(self, problem: Problem) -> None:
        directions = tuple(problem.direction(d) for d in range(problem.num_directions))
        lengths, steps = problem.lengths, problem.steps
        live = live_steps(steps, problem.batch, lengths, problem.mask)
        tables = self._tables(problem, directions)
        rows = np.flatnonzero(live).astype(np.int32)
        self.live, self.count = live, len(rows)
        given = None if lengths is None else lengths.astype(np.int32)
        arrays: list[Any] = [given, tables.order, tables.spans, rows, tables.flags]
        self._places: dict[str, int] = {}
        at, there = 0, [(name, array) for name, array in zip(NAMES, arrays, strict=True) if array is not None]
        for name, array in there:
            self._places[name], at = at, at - array.nbytes // -ALIGNED * ALIGNED
        self._together: Array = np.zeros(at, np.uint8)
        for name, array in there:
            begin = self._places[name]
            self._together[begin : begin + array.nbytes] = array.reshape(-1).view(np.uint8)
        self.flags_away = 0 if tables.flags is None else tables.flags[0].nbytes

    @staticmethod
    def _tables(problem: Problem, directions: tuple[int, ...]) -> RaggedTables:
        if problem.mask is None and problem.resets is None:
            assert problem.lengths is not None
            return tables_of_lengths(problem.lengths, problem.steps, directions)
        both = zip(*(schedule(problem, direction) for direction in directions), strict=True)
        return tables_of_flags(*(np.stack(each) for each in both))

    @property
    def form(self) -> tuple[int, int]:
        """What places of arrays depend on: the numbers of the tables, and of live steps."""
        return self.numbers, self.count

    @property
    def numbers(self) -> int:
        """Return how many float32 numbers have room for the tables."""
        return -(-self._together.nbytes // 4)

    def bring(self, call: DeviceCall, to: int) -> dict[str, int]:
        """Bring the tables to an address; return those of each, 0 where there is none."""
        call.device.driver.upload(to, self._together, call.stream)
        return {name: to + self._places[name] if name in self._places else 0 for name in NAMES}


def live_of(problem: Problem) -> Live | None:
    """Return the tables of a call; None where all rows are live at all times.

    Not so under recurrent dropout, whose factors only kernels for uneven rows read.
    """
    if not all_live(problem):
        return Live(problem)
    if not problem.recurrent_dropout:
        return None
    return Live(replace(problem, lengths=np.full(problem.batch, problem.steps)))
