"""The schedule of a call: which rows each step computes, and which start it from zeros, for lengths, masks and resets.

A row that a step does not compute carries its state through unchanged.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnnfast.problem import Array


class Schedule(NamedTuple):
    """The steps of one direction. Arrays are (T, B) bool, in order of time whatever the direction."""

    order: range
    """The steps as the direction visits them: 0 … T-1, or T-1 … 0."""
    live: Array
    """The rows that step t computes."""
    fresh: Array
    """The rows whose state becomes zeros before step t is visited."""


def schedule(
    steps: int, batch: int, lengths: Array | None, mask: Array | None, resets: Array | None, direction: int
) -> Schedule:
    """Return the schedule of a direction, 0 forward or 1 backward, from lengths (B,), mask and resets (T, B).

    None: every row has all steps, every step counts, nothing is reset.

    >>> schedule(4, 1, None, None, np.array([[0], [0], [1], [0]]), direction=1).fresh.ravel()  # 2 parts 1 from 2
    array([False,  True, False, False])
    """
    inside = within(steps, batch, lengths)
    live = inside if mask is None else inside & (mask != 0)
    cut = np.zeros_like(inside) if resets is None else inside & (resets != 0)  # between t - 1 and t
    if direction == 0:
        return Schedule(range(steps), live, cut)
    fresh = np.zeros_like(cut)
    fresh[:-1] = cut[1:]  # going backward in time, t - 1 is what comes after the cut
    return Schedule(range(steps)[::-1], live, fresh)


def within(steps: int, batch: int, lengths: Array | None) -> Array:
    """Return (T, B) bool: t < lengths[b].

    >>> within(3, 2, np.array([1, 3])).astype(int)
    array([[1, 1],
           [0, 1],
           [0, 1]])
    """
    if lengths is None:
        return np.ones((steps, batch), bool)
    result: Array = np.arange(steps)[:, None] < lengths
    return result
