"""A problem's parts by layer and direction, k = layer * directions + direction: for backends written in Python."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from rnnfast.backends.common.weights import Weights
from rnnfast.problem import Array, Problem


def schedule(problem: Problem, direction: int) -> tuple[Array, Array]:
    """Which steps are live and before which the state becomes zeros, (T, B) in the order of the visit."""
    shape = (problem.steps, problem.batch)
    return timetable(shape, problem.lengths, problem.mask, problem.resets, direction)


def timetable(
    shape: tuple[int, int], lengths: Array | None, mask: Array | None, resets: Array | None, direction: int
) -> tuple[Array, Array]:
    """As `schedule`, from (T, B) and a call's lengths (B,), mask and resets (T, B)."""
    steps = shape[0]
    inside = np.broadcast_to(np.arange(steps)[:, None] < (steps if lengths is None else lengths), shape)
    live = inside if mask is None else inside & (mask != 0)
    cut = np.zeros(shape, bool) if resets is None else inside & (resets != 0)
    if direction == 1:  # cut[t] parts t - 1 and t: going down it acts at t - 1, the visit after that of t
        cut = np.concatenate([np.zeros_like(cut[:1]), cut[:0:-1]])
    return visit(live, direction), cut


def live_steps(steps: int, batch: int, lengths: Array | None, mask: Array | None) -> Array:
    """Return which steps are live, (T, B) bool."""
    ends = steps if lengths is None else lengths
    inside = np.broadcast_to(np.arange(steps)[:, None] < ends, (steps, batch))
    live: Array = inside if mask is None else inside & (mask != 0)
    return live


def weights_of(problem: Problem, k: int) -> Weights:
    """The parameters of layer-direction k."""
    biases = [None if bias is None else bias[k] for bias in (problem.bias_ih, problem.bias_hh)]
    return Weights(problem.weight_ih[k], problem.weight_hh[k], *biases)


def features_of(problem: Problem, a: Array, direction: int) -> Array:
    """The part of a (…, D·H) array that belongs to a direction."""
    half: Array = a[..., direction * problem.hidden_size :][..., : problem.hidden_size]
    return half


def visit(a: Array, direction: int) -> Array:
    """A (T, ...) array in the order in which a direction visits it: its own inverse."""
    flipped: Array = a[::-1]
    return flipped if direction == 1 else a


def write_gradients(problem: Problem, k: int, gradients: Iterable[Array]) -> None:
    """Put those of W_ih, W_hh, b_ih and b_hh of layer-direction k where they are wanted."""
    tables = (problem.d_weight_ih, problem.d_weight_hh, problem.d_bias_ih, problem.d_bias_hh)
    for wanted, gradient in zip(tables, gradients, strict=True):
        if wanted is not None:
            wanted[k][...] = gradient if problem.overwrite else wanted[k] + gradient


def write_states(given: tuple[Array | None, Array | None], k: int, states: Iterable[Array]) -> None:
    """Layer-direction k's part of (L·D, B, H) arrays, where they are wanted."""
    for array, state in zip(given, states, strict=False):
        if array is not None:
            array[k] = state
