"""The backends: modules that all offer the functions of `Backend`; the table that finds them is in dispatch.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from rnnfast.problem import Array, Problem


class Runner(Protocol):
    """What runs problems forward and backward. The record it works on says which arrays it reads and writes."""

    def forward(self, problem: Problem) -> None:
        """Write y and final states; with `record`, keep in `reserve` what `backward` needs."""

    def ran(self, problem: Problem) -> str:
        """Of a recorded problem, which of the backend's ways it took and why, in a few words; "" where there is one."""

    def backward(self, problem: Problem) -> None:
        """Write dx, dh0, dc0 and add to the parameters' gradients. Consumes `reserve`."""

    def activations(self, problem: Problem) -> dict[str, Array]:
        """From a recorded problem, before `backward`: post-activation gates by name, and "c" for cells that have it.

        Each (L·D, T, B, H); zero at steps that are not live.
        """

    def reserve_bytes(self, problem: Problem) -> int:
        """Bytes of the arrays that a recorded `forward` leaves in `reserve` where every step is live."""


class BackwardArrays(NamedTuple):
    """What a bound problem's `backward` reads and writes."""

    x: Array
    """The problem's (T, B, I)."""
    dy: Array | None
    """With the shape and strides of y as `run` was given it; None: zeros."""
    d_final: Sequence[Array]
    """Gradients by the states after the last step, (h,) or (h, c); empty: zeros."""
    dx: Array | None
    """With the shape and strides of x as `run` was given it, written; None: not wanted."""
    d_start: Sequence[Array]
    """Gradients by the states before the first step, written."""
    tables: dict[str, list[Array]]
    """Gradients of the parameters as `Problem` lists them, written."""


class Bound(Protocol):
    """A problem, recorded or not, with all but its numbers settled, to be run on other x and y of the same form."""

    def is_stale(self) -> bool:
        """Whether something it depends on has changed since, so that another must be made."""

    def run(self, x: Array, y: Array, start: Sequence[Array], final: Sequence[Array], dropout_seed: int = 0) -> Any:
        """Read states (h,) or (h, c) in start, zeros if it is empty, write y and final; the reserve if recorded."""

    def backward(self, reserve: Any, arrays: BackwardArrays) -> None:
        """Back-propagate through a recorded run."""


class Backend(Runner, Protocol):
    """What every backend module offers."""

    def variants(self) -> tuple[str, ...]:
        """Forms that can be named after a colon (instruction sets), best first; empty where there is one form."""

    def reason(self, variant: str | None = None) -> str | None:
        """None if the backend (or that form of it) can run here, else why not, in one sentence."""

    def pack(self, problem: Problem) -> Any:
        """Weights rearranged once for many forwards, for `problem.packed`; None where that gains nothing."""

    def bind(self, problem: Problem) -> Bound | None:
        """This problem to be repeated on other arrays of the same shapes and strides; None: no gain."""
