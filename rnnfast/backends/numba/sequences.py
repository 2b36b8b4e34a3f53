"""The caller's sequences as flat rows of live steps, and rows put back where the caller wants them."""

from __future__ import annotations

import numpy as np

from rnnfast.arrays.layout import Layout
from rnnfast.backends.common.layers import features_of
from rnnfast.backends.numba.entries import Entries
from rnnfast.problem import Array, Problem


def flat(a: Array) -> Array:
    """Return an array's numbers in order, in memory that kernels take: aligned, and not read-only (see layer.py)."""
    return a.ravel() if a.flags.carray else np.array(a, order="C").ravel()


class Sequences:
    """How the sequences of a prepared call lie."""

    def __init__(self, problem: Problem, layout: Layout) -> None:
        self.problem, self.layout = problem, layout
        self.in_order = not layout.batch_first or 1 in (problem.steps, problem.batch)
        """Whether a dense sequence of the caller's has its rows in order of time."""

    def lie_flat(self, entries: Entries) -> bool:
        """Return whether the rows of a dense sequence of the caller's are those of the entries."""
        return self.in_order and entries.live is None

    def rows(self, a: Array, entries: Entries) -> Array:
        """Return the rows of all entries, flat; not to be written."""
        if self.lie_flat(entries):
            return flat(a)
        return entries.of(self.layout.sequence(a)).reshape(-1)

    def write(self, half: int, entries: Entries, y: Array, h_after: Array) -> None:
        """Put h' of every entry of a direction into y."""
        problem = self.problem
        rows, own = (
            h_after.reshape(entries.count, problem.state_size),
            features_of(problem, self.layout.sequence(y), half),
        )
        if problem.masked_output == "hold" and entries.live is not None:
            nothing = np.zeros((1, problem.state_size), problem.dtype)
            own[...] = np.concatenate([rows, nothing])[entries.held(problem.direction(half))]
        else:
            entries.into(own, rows)

    def output_gradient(self, half: int, entries: Entries, dy: Array) -> Array:
        """Return dL/dh' of every entry of a direction by way of y, flat."""
        problem = self.problem
        if problem.num_directions == 1 and entries.live is None:
            return self.rows(dy, entries)
        own = features_of(problem, self.layout.sequence(dy), half)
        d = entries.of(own)
        if problem.masked_output == "hold" and entries.live is not None:
            held = entries.held(problem.direction(half))
            repeats = ~entries.live & (held >= 0)
            with np.errstate(all="ignore"):
                np.add.at(d, held[repeats], own[repeats])
        return d.reshape(-1)

    def add_or_write(self, dx: Array, rows: Array, entries: Entries, *, add: bool) -> None:
        """Put the flat rows of all entries into dx, or add them, with zeros at steps that are not live."""
        total = rows + self.rows(dx, entries) if add else rows
        entries.into(self.layout.sequence(dx), total.reshape(entries.count, dx.shape[-1]))
