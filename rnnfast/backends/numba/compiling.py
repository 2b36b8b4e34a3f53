"""How Numba compiles the kernels: with which options, kept on disk where it can, with one line to the user."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit
from numba.core import event
from numba.extending import overload

PACKAGE = "rnnfast."
ZERO, ONE = np.int64(0), np.int64(1)
"""For arguments of inner kernels: plain numbers there are types of their own, for which Numba compiles anew."""
F = TypeVar("F", bound=Callable[..., Any])


def can_keep() -> bool:
    """Return whether there is a folder for compiled kernels: NUMBA_CACHE_DIR, beside this file, or the user's own."""
    try:
        njit(cache=True)(can_keep)
    except RuntimeError:  # Numba's "cannot cache function: no locator available"
        return False
    return True


KEPT = can_keep()
OPTIONS: dict[str, Any] = {"cache": KEPT, "nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
"""Of every kernel. Multiplication and addition may be fused; nothing is reordered."""
INNER = OPTIONS | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Of those that only kernels call: they compile sooner without what a call from Python takes."""


def per_cell(function: F) -> F:
    """Let kernels call a function whose first argument is a cell's name: it is compiled for each cell by itself."""

    @overload(function, prefer_literal=True, strict=False)
    def chosen(*_arguments: Any) -> F:
        return function

    return function


class Announcer(event.Listener):  # type: ignore[misc]
    """Prints one line when the first of our kernels is compiled rather than loaded."""

    def __init__(self) -> None:
        self.said = False

    def on_start(self, event: Any) -> None:
        """Say so, once, where a function that is being compiled is ours."""
        if not self.said and event.data["dispatcher"].py_func.__module__.startswith(PACKAGE):
            self.said = True
            print(f"rnnfast: Numba compiles the kernels, {how_often()}", file=sys.stderr, flush=True)

    def on_end(self, event: Any) -> None:
        """Leave the end of a compilation unsaid."""


def how_often() -> str:
    """Return in words when kernels are compiled."""
    if KEPT:
        return "once, which takes up to a minute"
    return (
        "which takes up to a minute, in every process anew: it may write neither beside the package nor in the home "
        "folder. Set NUMBA_CACHE_DIR to a folder that keeps them"
    )


@functools.cache
def announce() -> None:
    """Register the listener, once in a process."""
    event.register("numba:compile", Announcer())
