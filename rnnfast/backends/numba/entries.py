"""The live rows of all steps, one after another in order of time: what layers run over, in either direction."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.backends.common.layers import schedule, visit
from rnnfast.problem import Array, Problem

Part = tuple[Array, Array, int, int]
"""First and end entry of every step, first and last row of the batch: what a time loop runs over."""
NO_CUT = np.zeros((0, 0), bool)


class Entries:
    """Entry e is row `rows[e]` of the batch at some step; those of a step follow one another, by row."""

    def __init__(self, steps: int, batch: int, live: Array | None) -> None:
        """`live` (T, B); None: all are."""
        self.steps, self.batch, self.live = steps, batch, live
        if live is None:
            self.rows: Array = np.tile(np.arange(batch), steps)
            self.start: Array = np.arange(steps + 1) * batch
        else:
            self.rows = np.nonzero(live)[1]
            self.start = np.concatenate([[0], live.sum(axis=1).cumsum()])
        self.count = len(self.rows)

    def part(self, from_row: int, to_row: int) -> Part:
        """Some rows of the batch."""
        first = self.start[:-1]
        if to_row - from_row == self.batch:
            return first, self.start[1:], from_row, to_row
        if self.live is None:
            return first + from_row, first + to_row, from_row, to_row
        first = first + self.live[:, :from_row].sum(axis=1)
        return first, first + self.live[:, from_row:to_row].sum(axis=1), from_row, to_row

    def of(self, a: Array) -> Array:
        """A row of (T, B, ·) for each entry: an array of its own unless `a` is dense, writeable and live throughout."""
        picked = a.reshape(self.count, a.shape[2]) if self.live is None else a[self.live]
        return picked if picked.flags.carray else picked.copy()

    def into(self, a: Array, values: Array) -> None:
        """The inverse of `of`, zeros at steps that are not live."""
        if self.live is None:
            a[...] = values.reshape(a.shape)
        else:
            a[...] = 0
            a[self.live] = values

    def sums(self, values: Array) -> Array:
        """(T, ·): over the entries of each step."""
        total = np.zeros((self.steps, *values.shape[1:]))
        np.add.at(total, np.repeat(np.arange(self.steps), np.diff(self.start)), values)
        return total

    def held(self, direction: int) -> Array:
        """(T, B): the entry whose output a step repeats, its own where it is live; -1: there is none."""
        live = np.ones((self.steps, self.batch), bool) if self.live is None else self.live
        number = visit(np.where(live, live.ravel().cumsum().reshape(live.shape) - 1, -1), direction)
        latest = np.maximum.accumulate(np.where(number < 0, 0, np.arange(self.steps)[:, None]), axis=0)
        return visit(np.take_along_axis(number, latest, axis=0), direction)


def entries_of(problem: Problem) -> Entries:
    """Those of a call; the same again for a call of the same shape with every step live."""
    steps, batch = problem.steps, problem.batch
    if problem.lengths is not None or problem.mask is not None:
        return Entries(steps, batch, np.ascontiguousarray(schedule(problem, 0)[0]))
    cache: dict[str, Any] = {} if problem.cache is None else problem.cache
    known = cache.get("entries")
    if known is None or (known.steps, known.batch) != (steps, batch):
        known = cache["entries"] = Entries(steps, batch, None)
    return known


def cut_of(problem: Problem, direction: int) -> Array:
    """(T, B): the state becomes zeros before the step; none where it never does."""
    if problem.resets is None:
        return NO_CUT
    return np.ascontiguousarray(visit(schedule(problem, direction)[1], direction))
