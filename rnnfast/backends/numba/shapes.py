"""How the gates and weights of a cell are laid out, and the sizes of a layer."""

from __future__ import annotations

import functools
from itertools import pairwise
from typing import Any, NamedTuple

from numba.extending import register_jitable

from rnnfast.problem import CELLS, Cell


class Run(NamedTuple):
    """Gates of one product with W_hh whose sums go to slots that follow one another."""

    phase: int
    """The product: 0 has h as its operand, a later one what the phase before made of it."""
    gate: int
    """The first of them."""
    gates: int
    """How many."""
    slot: int
    """Of the first."""
    closes: int
    """1: the last of its phase."""


class Shape(NamedTuple):
    """A cell as the table CELLS has it, in numbers. A row of gates is [slot][H], W_hh [gate][H][S], W_hr [S][H]."""

    gates: int
    slots: int
    states: int
    phases: int
    used: int
    """How many runs it has."""
    runs: tuple[Run, ...]
    """Those, and empty ones up to the number that no cell exceeds: inner kernels, to which all cells then are of one
    type, are compiled once."""
    projects: int
    """1: h' is W_hr times what the last phase computes."""


class Sizes(NamedTuple):
    """A layer and direction: integers, in this order a `plan` to which kernels are given."""

    inputs: int
    hidden: int
    steps: int
    batch: int
    k: int
    """Of the layer and direction."""
    reverse: int
    """1: time runs backward."""
    recorded: int
    """1: all that backward needs is kept."""
    masked: int
    """1: under recurrent dropout."""
    state: int
    """S, numbers of h."""


@register_jitable
def sizes_of(plan: Any) -> Sizes:
    """Return the sizes that stand in an array."""
    return Sizes(plan[0], plan[1], plan[2], plan[3], plan[4], plan[5], plan[6], plan[7], plan[8])


@functools.cache
def shape_of(name: str) -> Shape:
    """Return the shape of a cell.

    >>> shape_of("gru").runs
    (Run(phase=0, gate=0, gates=2, slot=0, closes=0), Run(phase=0, gate=2, gates=1, slot=3, closes=1))
    """
    cell, runs = CELLS[name], runs_of(CELLS[name])
    empty = (Run(0, 0, 0, 0, 0),) * (max(len(runs_of(other)) for other in CELLS.values()) - len(runs))
    counts = len(cell.gates), cell.slots, len(cell.states), len(cell.phases), len(runs)
    return Shape(*counts, (*runs, *empty), int(cell.projects))


def runs_of(cell: Cell) -> list[Run]:
    """Return the runs of a cell in the order of its gates."""
    runs, gate = [], 0
    for phase, slots in enumerate(cell.phases):
        starts = [0, *(n + 1 for n, (a, b) in enumerate(pairwise(slots)) if b != a + 1), len(slots)]
        for first, last in pairwise(starts):
            runs.append(Run(phase, gate, last - first, slots[first], int(last == len(slots))))
            gate += last - first
    return runs
