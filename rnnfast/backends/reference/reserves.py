"""Memory of a recorded run, left for backward: its arrays, their bytes, and the gates read from them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnnfast.backends.reference.dropout import input_dropout_of
from rnnfast.backends.reference.layer import Kept
from rnnfast.problem import CELLS, Array, Problem


class Reserve(NamedTuple):
    """A recorded run. Backward reads it and changes nothing in it, so a copy serves again as it does itself."""

    x_masks: list[Array | None]
    """By layer: factors of dropout on its input, (T, B, I), or (1, B, I) for all steps alike."""
    layers: list[Kept]
    """By layer and direction."""


def reserve_bytes(problem: Problem) -> int:
    """Return the bytes of the arrays in a reserve where every step is live; a layer's directions share its mask."""
    cell, entries, size = CELLS[problem.cell], problem.steps * problem.batch, problem.state_size
    dropped = size if problem.recurrent_dropout else 0  # h again, with its dropout
    each = sum(problem.state_sizes) + size + (len(cell.saved) - 1) * problem.hidden_size + dropped
    numbers: int = sum(entries * (weight.shape[1] + each) for weight in problem.weight_ih)
    numbers += len(problem.weight_ih) * problem.batch * dropped  # the masks on h
    for layer in range(problem.num_layers):
        dropout = input_dropout_of(problem, layer)
        numbers += dropout.steps * problem.batch * dropout.units if dropout.probability else 0
    rows = len(problem.weight_ih) * entries * np.dtype(np.intp).itemsize
    live_and_fresh = 2 * problem.num_directions * entries
    return numbers * problem.dtype.itemsize + rows + live_and_fresh


def activations(problem: Problem, reserve: Reserve) -> dict[str, Array]:
    """Return post-activation gates and, of cells that have it, "c" by name: (L·D, T, B, H), zero where not live."""
    cell = CELLS[problem.cell]
    shape = (len(reserve.layers), problem.steps, problem.batch, problem.hidden_size)
    result = {name: np.zeros(shape, problem.dtype) for name in (*cell.gates, *cell.states[1:])}
    for name, values in result.items():
        for k, kept in enumerate(reserve.layers):
            for step in kept.steps:
                values[k, step.t, step.rows] = step.saved[name]
    return result
