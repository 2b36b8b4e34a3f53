"""The live rows of all steps of one layer and direction, one after another: what the time loops run over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnfast.backends.layers import schedule, visit
from rnnfast.problem import Array, Problem


@dataclass
class Entries:
    """Entry e is row `rows[e]` at visit `visits[e]`; those of a visit follow one another, by row."""

    live: Array
    """(T, B), as all with a time axis in the order of the visit."""
    cut: Array
    """(T, B): the state becomes zeros before the step."""
    direction: int

    def __post_init__(self) -> None:
        self.all_live = bool(self.live.all())
        self.visits, self.rows = np.nonzero(self.live)
        self.count = len(self.rows)
        self.start = np.concatenate([[0], self.live.sum(axis=1).cumsum()])

    def plan(self, from_row: int, to_row: int) -> tuple[Array, Array, Array, Array, int, int]:
        """What a time loop takes for some rows of the batch."""
        first = self.start[:-1] + self.live[:, :from_row].sum(axis=1)
        return first, first + self.live[:, from_row:to_row].sum(axis=1), self.rows, self.cut, from_row, to_row

    def visit(self, a: Array) -> Array:
        """A (T, ...) array in the order of the visit, or back."""
        return visit(a, self.direction)

    def of(self, a: Array) -> Array:
        """A row of (T, B, ·) for each entry, C-contiguous."""
        visited = self.visit(a)
        picked = visited.reshape(self.count, a.shape[2]) if self.all_live else visited[self.visits, self.rows]
        return np.ascontiguousarray(picked)

    def into(self, a: Array, values: Array, *, add: bool = False) -> None:
        """The inverse of `of`, at live steps; with `add` they are added to what is there."""
        visited = self.visit(a)
        if self.all_live:
            values = values.reshape(a.shape)
            visited[...] = visited + values if add else values
        elif add:
            visited[self.visits, self.rows] += values
        else:
            visited[self.visits, self.rows] = values

    def held(self) -> Array:
        """(T, B): the entry whose output a step repeats, its own where it is live; -1: there is none."""
        number = np.where(self.live, self.live.ravel().cumsum().reshape(self.live.shape) - 1, -1)
        return np.maximum.accumulate(number, axis=0)


def entries(problem: Problem, direction: int) -> Entries:
    """Those of one direction of a net."""
    live, cut = schedule(problem, direction)
    return Entries(np.ascontiguousarray(live), np.ascontiguousarray(cut), direction)
