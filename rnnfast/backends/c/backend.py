"""The C backend: librnnfast as a `Backend`."""

from __future__ import annotations

from rnnfast.arrays.layout import Layout
from rnnfast.backends.c.bound import Bound
from rnnfast.backends.c.library import (
    describe,
    get_num_threads,
    reason,
    set_num_threads,
    variants,
)
from rnnfast.backends.c.probes import elementwise, fma_loop, read_loop
from rnnfast.backends.c.stepping import Stepping
from rnnfast.backends.contract import Steps
from rnnfast.problem import Problem

__all__ = [
    "bind",
    "describe",
    "elementwise",
    "fma_loop",
    "get_num_threads",
    "read_loop",
    "reason",
    "set_num_threads",
    "stream",
    "variants",
]


def bind(problem: Problem, layout: Layout) -> Bound:
    """Prepare calls of this problem.

    Raises ValueError for an option out of range or an instruction set that does not exist, MemoryError for sizes beyond
    memory.
    """
    return Bound(problem, layout)


def stream(problem: Problem) -> Steps:
    """Return rows that advance together, over the net's handle."""
    return Stepping(problem)
