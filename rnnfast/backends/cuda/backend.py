"""The Numba CUDA backend: arrays of the device stay there, NumPy's travel to it and their results back."""

from __future__ import annotations

import functools

from rnnfast.arrays.layout import Layout
from rnnfast.backends.contract import Bound, Steps
from rnnfast.backends.cuda import devices
from rnnfast.backends.stepping import Stepping
from rnnfast.problem import Problem


def variants() -> tuple[str, ...]:
    """Return the forms that can be named, none: there is one.

    >>> variants()
    ()
    """
    return ()


@functools.cache
def reason(variant: str | None = None) -> str | None:
    """Return None where Numba CUDA finds a device, else why not.

    >>> reason("fast")
    "the cuda backend has one form only, not 'fast'"
    """
    if variant is not None:
        return f"the cuda backend has one form only, not {variant!r}"
    if not devices.installed():
        return "numba-cuda is not installed: pip install 'rnnfast[cuda]'"
    return None if devices.found() else "no CUDA device found, or no driver for it"


def bind(problem: Problem, layout: Layout) -> Bound:
    """Prepare calls of this problem on the device."""
    from rnnfast.backends.cuda import bound

    return bound.Bound(devices.device(), problem, layout)


def stream(problem: Problem) -> Steps:
    """Return rows that advance together, over calls that are prepared for as many steps as come."""
    return Stepping(bind, problem)
