"""The live rows of all steps, one after another in order of time: what layers run over, in either direction."""

from __future__ import annotations

import numpy as np

from rnnfast.arrays.host import empty
from rnnfast.backends.common.layers import live_steps, timetable, visit
from rnnfast.problem import Array

NO_CUT = np.zeros((0, 0), bool)


class Entries:
    """Entry e is row `rows[e]` of the batch at some step; those of a step follow one another, by row.

    >>> Entries(2, 3, np.array([[1, 0, 1], [0, 1, 0]], bool)).schedule
    array([0, 2, 3, 0, 2, 1])
    """

    def __init__(self, steps: int, batch: int, live: Array | None) -> None:
        """`live` (T, B); None: all are. Raises MemoryError for more steps and rows than memory holds."""
        self.steps, self.batch, self.live = steps, batch, live
        self.count = steps * batch if live is None else int(live.sum())
        self.schedule: Array = empty((steps + 1 + self.count,), np.dtype(np.int64))
        """First entry of every step, end of the last one, row of every entry."""
        if live is None:
            self.schedule[: steps + 1] = np.arange(steps + 1) * batch
            self.rows.reshape(steps, batch)[...] = np.arange(batch)
        else:
            self.schedule[0], self.schedule[1 : steps + 1] = 0, live.sum(axis=1).cumsum()
            self.rows[...] = np.nonzero(live)[1]

    @property
    def rows(self) -> Array:
        """The row of the batch of every entry."""
        return self.schedule[self.steps + 1 :]

    def of(self, a: Array) -> Array:
        """Return a row of (T, B, ·) for each entry, (n, ·) in new memory."""
        if self.live is None:
            return np.array(a, order="C").reshape(self.count, a.shape[2])
        return np.ascontiguousarray(a[self.live])

    def into(self, a: Array, values: Array) -> None:
        """Put the rows of all entries into (T, B, ·), zeros at steps that are not live."""
        if self.live is None:
            a[...] = values.reshape(a.shape)
        else:
            a[...] = 0
            a[self.live] = values

    def sums(self, values: Array) -> Array:
        """Return the sums (T, ·) over the entries of each step."""
        total = np.zeros((self.steps, *values.shape[1:]))
        np.add.at(total, np.repeat(np.arange(self.steps), np.diff(self.schedule[: self.steps + 1])), values)
        return total

    def held(self, direction: int) -> Array:
        """Return (T, B): the entry whose output a step repeats, its own where it is live; -1: there is none."""
        live = np.ones((self.steps, self.batch), bool) if self.live is None else self.live
        number = visit(np.where(live, live.ravel().cumsum().reshape(live.shape) - 1, -1), direction)
        latest = np.maximum.accumulate(np.where(number < 0, 0, np.arange(self.steps)[:, None]), axis=0)
        return visit(np.take_along_axis(number, latest, axis=0), direction)


def entries_of(shape: tuple[int, int], lengths: Array | None, mask: Array | None) -> Entries:
    """Return the entries of a call of (T, B) steps and rows not all of which are live."""
    return Entries(*shape, np.ascontiguousarray(live_steps(*shape, lengths, mask)))


def cut_of(shape: tuple[int, int], lengths: Array | None, resets: Array, direction: int) -> Array:
    """Return (T, B): the state becomes zeros before the step."""
    return np.ascontiguousarray(visit(timetable(shape, lengths, None, resets, direction)[1], direction))
