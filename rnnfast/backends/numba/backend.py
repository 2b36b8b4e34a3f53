"""The Numba CPU backend: compiled where no C compiler is, by LLVM, on first use. Imports Numba when it runs."""

from __future__ import annotations

import functools
import importlib.util

from rnnfast.arrays.layout import Layout
from rnnfast.backends.contract import Bound, Steps
from rnnfast.backends.stepping import Stepping
from rnnfast.problem import Precision, Problem


def variants() -> tuple[str, ...]:
    """Return no names: there is one form."""
    return ()


@functools.cache
def reason(variant: str | None = None, cell: str | None = None, precision: Precision = "float32") -> str | None:
    """Return None where Numba can be imported, else why this backend cannot run. It has every cell."""
    if variant is not None:
        return f"the numba backend has one form only, not {variant!r}"
    if precision != "float32":
        return f"the numba backend has no products of {precision}"
    if importlib.util.find_spec("numba") is None:
        return "numba is not installed: pip install 'rnnfast[numba]'"
    return None


def bind(problem: Problem, layout: Layout) -> Bound:
    """Prepare calls of this problem."""
    from rnnfast.backends.numba import bound, compiling

    compiling.announce()
    return bound.Bound(problem, layout)


def stream(problem: Problem) -> Steps:
    """Return rows that advance together, over calls that are prepared for as many steps as come."""
    return Stepping(bind, problem)
