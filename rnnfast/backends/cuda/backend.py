"""The Numba CUDA backend: arrays of the device stay there, NumPy's travel to it and their results back."""

from __future__ import annotations

import functools
import importlib.util
from typing import Any

from rnnfast.arrays.layout import Layout
from rnnfast.backends.contract import Bound
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
    if importlib.util.find_spec("numba") is None or importlib.util.find_spec("numba_cuda") is None:
        return "numba-cuda is not installed: pip install 'rnnfast[cuda]'"
    return None if found() else "no CUDA device found, or no driver for it"


@functools.cache
def found() -> bool:
    """Return whether there is a device."""
    from numba import cuda

    return bool(cuda.is_available())


@functools.cache
def device() -> Any:
    """Return the device that everything runs on."""
    from rnnfast.backends.cuda.device import Device

    return Device()


def describe() -> dict[str, str]:
    """Return the device, and up to which hidden size each cell runs on which tier there; nothing where there is none.

    >>> set(describe()) <= {"device", "tiers RNN", "tiers GRU", "tiers LSTM"}
    True
    """
    if reason() is not None:
        return {}
    from rnnfast.backends.cuda.shapes import CELLS
    from rnnfast.backends.cuda.tiers import reach

    found = device()
    cells = {"RNN": "rnn_tanh", "GRU": "gru", "LSTM": "lstm"}
    return {"device": found.name} | {f"tiers {name}": reach(found.limits, CELLS[cell]) for name, cell in cells.items()}


def bind(problem: Problem, layout: Layout) -> Bound:
    """Prepare calls of this problem on the device."""
    from rnnfast.backends.cuda import bound

    return bound.Bound(device(), problem, layout)
