"""The reference backend: what every backend computes, in plain NumPy, one step after another.

Written to be read and checked, not to be fast. Only live rows are touched, so whatever stands at a step that is not
live, or in a state that a reset replaces, cannot reach a result. Nothing here is shared with another backend: a bug in
a shared schedule or dropout would be in both sides of every comparison.
"""

from __future__ import annotations

from rnnfast.arrays.layout import Layout
from rnnfast.backends.contract import Steps
from rnnfast.backends.reference.bound import Bound
from rnnfast.backends.stepping import Stepping
from rnnfast.problem import Precision, Problem


def variants() -> tuple[str, ...]:
    """Return no names: there is one form."""
    return ()


def reason(variant: str | None = None, cell: str | None = None, precision: Precision = "float32") -> str | None:
    """Return None, as it runs everywhere and has every cell and precision, or why there is no such variant."""
    return None if variant is None else f"the reference backend has one form only, not {variant!r}"


def bind(problem: Problem, layout: Layout) -> Bound:
    """Prepare calls of this problem, of which the shapes, the options and the parameters are read."""
    return Bound(problem, layout)


def stream(problem: Problem) -> Steps:
    """Return rows that advance together, over calls that are prepared for as many steps as come."""
    return Stepping(bind, problem)
