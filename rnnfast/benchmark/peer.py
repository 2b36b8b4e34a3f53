"""A peer: what runs cases, and a case that it has made ready."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data
from rnnfast.problem import Array

NO_LINEAR = "runs the net alone, without linear layers around it"
"""Said by those that lack a case whose net stands between linear layers."""
LOOSE = 5e-2
"""Error over the truth that the check allows libraries which round inputs, states or sums to 16 or 8 bits."""


@dataclass(frozen=True)
class Prepared:
    """A case made ready: `work()` does it once, which is what is timed; `arrays` reads results for the check.

    Results by name: y, and the final state h_n (c_n) forward, or the gradients x, h0 (c0) and parameters' training.
    """

    work: Callable[[], Any]
    arrays: Callable[[Any], dict[str, Array]]
    within: Callable[[], AbstractContextManager[Any]] = nullcontext
    """Makes the context that `work` runs in, entered once for many repetitions."""
    rounds: str = ""
    """What is rounded besides the weights of a case that has them rounded, as the report says it; "": nothing."""
    tolerance: float | None = None
    """Norm of the error over that of the truth that the check allows; None: that of the case."""

    def results(self) -> dict[str, Array]:
        """Do the work once and return its results."""
        with self.within():
            return self.arrays(self.work())


class Peer(Protocol):
    """A library that can run cases: a module, or an object."""

    def lacks(self, case: Case) -> str | None:
        """Say what it cannot do of this case; None where it can run it."""

    def prepare(self, case: Case, data: Data) -> Prepared:
        """Make the case ready, everything done that a user does once: weights packed, graphs compiled."""
