"""One line to the user when Numba compiles, which takes a while and happens once: kernels are cached on disk."""

from __future__ import annotations

import functools
import sys
from typing import Any

from numba.core import event

PACKAGE = "rnnfast."


class Announcer(event.Listener):  # type: ignore[misc]
    """Prints the line when the first of our kernels is compiled rather than loaded."""

    def __init__(self) -> None:
        self.said = False

    def on_start(self, event: Any) -> None:
        """Compilation of one function begins."""
        if not self.said and event.data["dispatcher"].py_func.__module__.startswith(PACKAGE):
            self.said = True
            print("rnnfast: Numba compiles the kernels, once, which takes about a minute", file=sys.stderr, flush=True)

    def on_end(self, event: Any) -> None:
        """It has ended."""


@functools.cache
def announce() -> None:
    """Register the listener, once in a process."""
    event.register("numba:compile", Announcer())
