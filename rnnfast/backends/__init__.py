"""The backends: modules that all offer the functions of `Backend`; the table that finds them is in dispatch.py."""

from __future__ import annotations

from typing import Any, Protocol

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


class Backend(Runner, Protocol):
    """What every backend module offers."""

    def variants(self) -> tuple[str, ...]:
        """Forms that can be named after a colon (instruction sets), best first; empty where there is one form."""

    def reason(self, variant: str | None = None) -> str | None:
        """None if the backend (or that form of it) can run here, else why not, in one sentence."""

    def pack(self, problem: Problem) -> Any:
        """Weights rearranged once for many forwards, for `problem.packed`; None where that gains nothing."""

    def bind(self, problem: Problem) -> Any:
        """This problem to be repeated on other arrays of the same shapes and strides; None: no gain.

        Its `run(x, y, start, final, dropout_seed)` reads the states (h,) or (h, c) in start, zeros if it is empty,
        writes y and final, and returns the reserve of a recorded problem, for `backward(reserve, x, dy, d_final, dx,
        d_start, tables)`, where dx may be None, and dy, and d_final empty: zeros. `is_stale()`: make it anew.
        """
