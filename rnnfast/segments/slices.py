"""Parts of a problem as problems of their own: some of its steps, or one layer in one direction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from rnnfast.problem import Array, Problem

OF_STEPS = ("x", "y", "dy", "dx", "mask", "resets", "state_grad_norms")
PARAMETERS = "weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"
OF_LAYERS = tuple(f"{d}{name}" for d in ("", "d_") for name in PARAMETERS)
STATES = ("h0", "c0", "h_n", "c_n", "dh_n", "dc_n", "dh0", "dc0")


def steps_of(problem: Problem, t0: int, t1: int) -> Problem:
    """Return a problem of the steps [t0, t1) alone, nothing recorded; its states are those of `problem`."""
    part: dict[str, Any] = {name: a[t0:t1] for name in OF_STEPS if (a := getattr(problem, name)) is not None}
    if problem.lengths is not None:
        part["lengths"] = np.clip(problem.lengths - t0, 0, t1 - t0)
    return replace(problem, steps=t1 - t0, first_step=problem.first_step + t0, reserve=None, **part)


def one_way(problem: Problem) -> list[Problem]:
    """Return what runs through all steps by itself: a net of one direction, or each layer and direction of one of two.

    In order of layers. Sequences of the latter, but for mask and resets, are still to be given.
    """
    if problem.num_directions == 1:
        return [replace(problem, reserve=None)]
    return [_layer_direction(problem, k) for k in range(2 * problem.num_layers)]


def _layer_direction(problem: Problem, k: int) -> Problem:
    own: dict[str, Any] = dict.fromkeys(("x", "y", "dy", "dx"))
    own |= {name: [table[k]] for name in OF_LAYERS if (table := getattr(problem, name)) is not None}
    own |= {name: a[k : k + 1] for name in STATES if (a := getattr(problem, name)) is not None}
    if problem.state_grad_norms is not None:
        own["state_grad_norms"] = np.empty((problem.steps, 1, 2))
    if k // 2 < problem.num_layers - 1:
        own["masked_output"] = "zero"
    return replace(
        problem,
        num_layers=1,
        num_directions=1,
        first_layer=k // 2,
        only_direction=k % 2 + 1,
        input_size=problem.weight_ih[k].shape[1],
        reserve=None,
        cache={},
        **own,
    )


def own_features(array: Array | None, problem: Problem) -> Array | None:
    """The features of a (T, B, D·S) array that belong to what `problem` is; None stays None."""
    if array is None or problem.only_direction == 0:
        return array
    first = (problem.only_direction - 1) * problem.state_size
    found: Array = array[..., first : first + problem.state_size]
    return found
