"""The CUDA device that calls run on: whether there is one, and what to say of it."""

from __future__ import annotations

import functools
import importlib.util
import threading
from typing import Any


def installed() -> bool:
    """Return whether Numba CUDA is installed."""
    return importlib.util.find_spec("numba") is not None and importlib.util.find_spec("numba_cuda") is not None


@functools.cache
def found() -> bool:
    """Return whether there is a device."""
    from numba import cuda

    return bool(cuda.is_available())


_making = threading.Lock()


def device() -> Any:
    """Return the device that everything runs on: one, whichever threads ask for it first."""
    with _making:
        return _made()


@functools.cache
def _made() -> Any:
    from rnnfast.backends.cuda.device import Device

    return Device()


def describe() -> dict[str, str]:
    """Return the device, and up to which hidden size each cell runs on which tier there; nothing where there is none.

    >>> set(describe()) <= {"device", "tiers RNN", "tiers GRU", "tiers LSTM"}
    True
    """
    if not (installed() and found()):
        return {}
    from rnnfast.backends.cuda.shapes import CELLS
    from rnnfast.backends.cuda.tiers import reach

    here = device()
    cells = {"RNN": "rnn_tanh", "GRU": "gru", "LSTM": "lstm"}
    return {"device": here.name} | {f"tiers {name}": reach(here.limits, CELLS[cell]) for name, cell in cells.items()}
