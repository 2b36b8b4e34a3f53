"""Steps and rows that kernels without clusters count in 32 bits, and the refusal of calls with more."""

from __future__ import annotations

from rnnfast.backends.cuda.shapes import CELLS
from rnnfast.backends.cuda.tiers import Limits, without_clusters
from rnnfast.problem import Problem

MOST = 2**31 - 1
"""Entries are numbered in 32 bits, in tables that are read at every step, and so are the times that blocks of a group
wait for one another. All else, the numbers of arrays among it, is counted in 64. Clusters take shorter calls."""


def check_reach(problem: Problem, limits: Limits) -> None:
    """Raise ValueError for a call of more steps and rows than kernels count on a device with these limits."""
    steps, batch, cell = problem.steps, problem.batch, CELLS[problem.cell]
    if steps * batch > MOST:
        raise ValueError(
            f"x has {steps} time steps of {batch} rows, {steps * batch} in all, expected at most {MOST} on the cuda "
            "backend: call the net with a part of the rows at a time"
        )
    tier = without_clusters(limits, cell, problem.hidden_size, problem.dtype.itemsize, batch)
    waits = tier.members * len(cell.phases)
    if tier.members > 1 and steps * waits > MOST:
        raise ValueError(
            f"x has {steps} time steps, expected at most {MOST // waits} on the cuda backend, where {tier.members} "
            f"blocks share {problem.hidden_size} hidden units: cut it and carry the state from part to part"
        )
