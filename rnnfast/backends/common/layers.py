"""A problem's parts by layer and direction, k = layer * directions + direction: for backends written in Python."""

from __future__ import annotations

import functools

import numpy as np

from rnnfast.problem import Array, Problem


def schedule(problem: Problem, direction: int) -> tuple[Array, Array]:
    """Return which steps are live and before which the state becomes zeros, (T, B) in the order of the visit."""
    shape = (problem.steps, problem.batch)
    return timetable(shape, problem.lengths, problem.mask, problem.resets, direction)


def timetable(
    shape: tuple[int, int], lengths: Array | None, mask: Array | None, resets: Array | None, direction: int
) -> tuple[Array, Array]:
    """Return the same as `schedule`, from (T, B) and a call's lengths (B,), mask and resets (T, B)."""
    live = live_steps(*shape, lengths, mask)
    cut = np.zeros(shape, bool) if resets is None else live_steps(*shape, lengths, resets)
    if direction == 1:  # cut[t] parts t - 1 and t: going down it acts at t - 1, the visit after that of t
        cut = np.concatenate([np.zeros_like(cut[:1]), cut[:0:-1]])
    return visit(live, direction), cut


def live_steps(steps: int, batch: int, lengths: Array | None, mask: Array | None) -> Array:
    """Return which steps are live, (T, B) bool."""
    if lengths is None:
        return np.ones((steps, batch), bool) if mask is None else mask != 0
    live: Array = _numbers(steps) < lengths.astype(np.int32, copy=False)
    if mask is not None:
        np.logical_and(live, mask.view(bool), out=live)
    return live


@functools.lru_cache(maxsize=64)
def _numbers(steps: int) -> Array:
    """Return the numbers of steps, (T, 1), which nobody changes."""
    return np.arange(steps, dtype=np.int32)[:, None]


def features_of(problem: Problem, a: Array, direction: int) -> Array:
    """The part of a (…, D·S) array that belongs to a direction."""
    half: Array = a[..., direction * problem.state_size :][..., : problem.state_size]
    return half


def visit(a: Array, direction: int) -> Array:
    """A (T, ...) array in the order in which a direction visits it: its own inverse."""
    flipped: Array = a[::-1]
    return flipped if direction == 1 else a
