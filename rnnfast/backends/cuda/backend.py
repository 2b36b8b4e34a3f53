"""The Numba CUDA backend: arrays of the device stay there, NumPy's travel to it and their results back."""

from __future__ import annotations

import functools

from rnnfast.arrays.layout import Layout
from rnnfast.backends.contract import Bound, Steps
from rnnfast.backends.cuda import devices
from rnnfast.backends.stepping import Stepping
from rnnfast.problem import CELLS, Precision, Problem

NO_PROJECTION = (
    "the cuda backend has no projection of h (proj_size): leave the net in host memory, for the backends c and numba"
)


def variants() -> tuple[str, ...]:
    """Return the forms that can be named, none: there is one.

    >>> variants()
    ()
    """
    return ()


@functools.cache
def reason(variant: str | None = None, cell: str | None = None, precision: Precision = "float32") -> str | None:
    """Return None where Numba CUDA finds a device and there are kernels for this cell, else why not.

    >>> reason("fast")
    "the cuda backend has one form only, not 'fast'"
    >>> reason(cell="lstm_proj")
    'the cuda backend has no projection of h (proj_size): leave the net in host memory, for the backends c and numba'
    """
    if variant is not None:
        return f"the cuda backend has one form only, not {variant!r}"
    if precision != "float32":
        return f"the cuda backend has no products of {precision}"
    if (lacking := _lacks(cell)) is not None:
        return lacking
    if not devices.installed():
        return "numba-cuda is not installed: pip install 'rnnfast[cuda]'"
    return None if devices.found() else "no CUDA device found, or no driver for it"


def _lacks(cell: str | None) -> str | None:
    """Return None where there are kernels for a cell, whatever the device, else what is missing."""
    return NO_PROJECTION if cell and CELLS[cell].projects else None


def bind(problem: Problem, layout: Layout) -> Bound:
    """Prepare calls of this problem on the device. Raises RuntimeError for a cell that has no kernels."""
    from rnnfast.backends.cuda import bound

    if (lacking := _lacks(problem.cell)) is not None:
        raise RuntimeError(lacking)
    return bound.Bound(devices.device(), problem, layout)


def stream(problem: Problem) -> Steps:
    """Return rows that advance together, over calls that are prepared for as many steps as come."""
    return Stepping(bind, problem)
