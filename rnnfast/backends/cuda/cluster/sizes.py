"""The sizes of a net that clusters run, in numbers, and which calls of it they serve."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from rnnfast.backends.cuda.cluster.gradients import GRADIENTS
from rnnfast.backends.cuda.cluster.launch import reason_against
from rnnfast.backends.cuda.cluster.shape import ROWS
from rnnfast.problem import CELLS, Problem

NUMBERS_MOST = 2**31 - 1
"""Kernels count the numbers of an array in 32 bits."""


@dataclass(frozen=True)
class Sizes:
    """T, B, H, D; then what follows from these and the cell."""

    steps: int
    batch: int
    size: int
    directions: int
    gates: int
    """G H: rows of W_ih and W_hh."""
    slots: int
    """Numbers in a row of recorded gates."""
    states: int
    tile_rows: int
    """Rows of a cluster, see room.py."""

    @functools.cached_property
    def rows(self) -> int:
        """T B."""
        return self.steps * self.batch

    @functools.cached_property
    def row(self) -> int:
        """Numbers of a state (B, H)."""
        return self.batch * self.size

    @functools.cached_property
    def recorded(self) -> int:
        """Numbers of a state before and after all visits, (T + 1, B, H)."""
        return (self.steps + 1) * self.row


def sizes_of(problem: Problem, tile_rows: int = ROWS) -> Sizes:
    """Return the sizes of a problem whose clusters have so many rows."""
    size, cell = problem.hidden_size, CELLS[problem.cell]
    gates, slots = len(cell.gates) * size, cell.slots * size
    directions, states = problem.num_directions, len(cell.states)
    return Sizes(problem.steps, problem.batch, size, directions, gates, slots, states, tile_rows)


def reason_against_call(problem: Problem, capability: tuple[int, int], *, holds: bool = False) -> str | None:
    """Return why clusters cannot run a call, which may hold outputs, None where they can."""
    output = "hold" if holds else "zero"
    against = reason_against(problem.cell, problem.hidden_size, problem.dtype.itemsize, capability, output)
    if against is None:
        sizes, widths = sizes_of(problem), [weight.shape[1] for weight in problem.weight_ih]
        most = problem.batch * max(sizes.slots, sizes.directions * sizes.gates, *widths)
        if (problem.steps + 1) * most > NUMBERS_MOST:
            against = f"clusters count the numbers of a sequence in 32 bits, and {problem.steps * most} are more"
    return against


def recurrent_slots(cell: str) -> tuple[int, ...]:
    """Return the slots of gates whose gradients are those of a product with W_hh, in the order of its rows."""
    return GRADIENTS[cell].recurrent
