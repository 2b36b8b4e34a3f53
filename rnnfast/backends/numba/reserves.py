"""Memory that a recorded run leaves for backward, what may be read from it, and how large it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from rnnfast.backends.numba.entries import Entries
from rnnfast.backends.numba.layer import Layer
from rnnfast.problem import CELLS, Array, Problem


@dataclass(slots=True)
class Reserve:
    """The arrays; backward changes the gates among the numbers, unless it keeps them."""

    entries: Entries
    cuts: Sequence[Array]
    """Of each direction."""
    x_masks: list[Array | None] = field(default_factory=list)
    """Of each layer: factors of dropout on its input, (entries, I)."""
    inputs: list[Array] = field(default_factory=list)
    """Of each layer, flat; of the first nothing, as backward is given x."""
    numbers: list[Array] = field(default_factory=list)
    """Of each layer and direction: what `Kept` describes."""


def activations(problem: Problem, layers: Iterable[Layer], reserve: Reserve) -> dict[str, Array]:
    """Return post-activation gates and, of cells that have it, "c" by name: (L·D, T, B, H), zero where not live."""
    entries, size = reserve.entries, problem.hidden_size
    cell, shape = CELLS[problem.cell], (len(reserve.numbers), problem.steps, problem.batch, size)
    found = {name: np.empty(shape, problem.dtype) for name in (*cell.gates, *cell.states[1:])}
    for k, (layer, numbers) in enumerate(zip(layers, reserve.numbers, strict=True)):
        kept = layer.tables(entries.count, numbers)
        for n, name in enumerate(cell.gates):
            entries.into(found[name][k], kept.gates[:, n * size : (n + 1) * size])
        if "c" in found:
            entries.into(found["c"][k], kept.c_after)
    return found


def reserve_bytes(problem: Problem, layers: Sequence[Layer], entries: Entries) -> int:
    """Return the bytes of the arrays that a reserve holds where every step is live."""
    numbers, count, other = 0, entries.count, 0
    for k, layer in enumerate(layers):
        numbers += layer.fixed + layer.for_each * count
        if k % problem.num_directions == 0:
            dropout = problem.dropout if problem.first_layer + k else problem.input_dropout
            numbers += count * layer.sizes.inputs * ((k > 0) + (dropout > 0))
    if problem.lengths is not None or problem.mask is not None:
        other += entries.schedule.nbytes + count  # and a flag for each: is it live
    if problem.resets is not None:
        other += count * problem.num_directions
    return problem.dtype.itemsize * numbers + other
