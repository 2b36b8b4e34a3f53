"""The contract of a backend: a module with the functions of `Backend`; choose.py has the table of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from rnnfast.arrays.layout import Layout
from rnnfast.problem import Array, Precision, Problem


class ForwardArrays(NamedTuple):
    """Arrays of a forward run: sequences and states with the caller's axes, as the call's layout says."""

    x: Array
    """(T, B, I) or what the layout has of it; strides are free but for the last axis, as those of y."""
    y: Array
    """(T, B, D·S) or what the layout has of it, written."""
    start: Sequence[Array | None]
    """States before the first step, (h,) or (h, c), C-contiguous; empty, or None for one of them: zeros."""
    final: Sequence[Array | None]
    """States after the last step, written; None: not wanted."""
    lengths: Array | None = None
    """(B,) int64 within 0..T, which nobody changes any more."""
    mask: Array | None = None
    """(T, B) uint8, C-contiguous, whatever the layout; so is `resets`."""
    resets: Array | None = None
    library: Any = None
    """The library whose device arrays all but lengths, mask and resets are; None: they are NumPy's."""
    dense: bool = False
    """True where x and y are known to have no gaps."""
    parameters: Sequence[int] | None = None
    """Addresses of parameters that come with the call, dense, table by table as in `Problem`; None: it has its own."""


class BackwardArrays(NamedTuple):
    """Arrays of a backward run: sequences and states with the caller's axes, as in the forward run."""

    x: Array
    """As forward was given it, perhaps a copy."""
    dy: Array | None
    """Shaped like y, any strides but for the last axis, as those of dx; None: zeros."""
    d_final: Sequence[Array | None]
    """Gradients by the states after the last step, (h,) or (h, c), C-contiguous; empty, or None for one: zeros."""
    dx: Array | None
    """Shaped like x, written; None: not wanted."""
    d_start: Sequence[Array | None]
    """Gradients by the states before the first step, C-contiguous, written; empty, or None for one: not wanted."""
    d_parameters: Sequence[Array] | None
    """C-contiguous gradients of the parameters in their order: for every layer and direction weight_ih, weight_hh and,
    of nets that have them, bias_ih, bias_hh, weight_hr; None: not wanted."""
    norms: Array | None = None
    """(T, L·D, 2) float64, written: norms of dL/dh_t and dL/dc_t over the live rows; None: not wanted."""
    start: Sequence[Array | None] = ()
    """As forward was given them, perhaps copies, like lengths, mask and resets: for backends that read them again."""
    lengths: Array | None = None
    mask: Array | None = None
    resets: Array | None = None
    dense: bool = False
    """True where x, dy and dx are known to have no gaps."""
    parameters: Sequence[int] | None = None
    """As forward was given them."""


class Bound(Protocol):
    """A call prepared: all but its numbers is settled. Any number of threads may run it at a time."""

    def run(self, arrays: ForwardArrays, dropout_seed: int = 0) -> Any:
        """Write y and the final states; return what backward needs, the reserve, where the problem is recorded."""

    def backward(self, reserve: Any, arrays: BackwardArrays, *, overwrite: bool = True, keep: bool = False) -> None:
        """Write the gradients; with overwrite=False those of the parameters are added to.

        Consumes the reserve; with `keep` leaves it as it is, so that any number of calls, several at a time too, write
        the same bits.
        """

    def activations(self, reserve: Any) -> dict[str, Array]:
        """Post-activation gates by name and, of cells that have it, "c": each (L·D, T, B, H), zero where not live."""

    def reserve_bytes(self) -> int:
        """Return the bytes of the arrays that a reserve holds where every step is live."""

    def ran(self, reserve: Any) -> str:
        """Return which of the backend's ways a recorded run took and why, in a few words; "" where there is one.

        Of a call that records nothing, None: which it takes.
        """


class Steps(Protocol):
    """Rows that advance together, and their states, zero at first, in host memory."""

    def quick(self, x: Array, y: Array) -> bool:
        """Make a step from x (B, I) to y (B, S) where no look at either is needed; whether it was made.

        Raises RuntimeError where another thread uses these rows at this moment, as `held`, which all else is called in.
        """

    def held(self) -> AbstractContextManager[None]:
        """Keep other threads out until the end of the block."""

    def run(self, x: Array, y: Array) -> None:
        """Advance by the steps of x (T, B, I), writing y (T, B, S); strides are free but for the last axis."""

    def read(self) -> list[Array]:
        """Return copies of the states, h (L, B, S), or that and c (L, B, H)."""

    def write(self, values: Sequence[Array | None]) -> None:
        """Take over states; None: zeros."""

    def reset(self, rows: Array | None) -> None:
        """Begin again, every row or those where `rows` (B,) uint8 is not zero."""

    def copy(self) -> Steps:
        """Return another of the same net and with the same states."""


class Binder(Protocol):
    """Maker of prepared calls: a backend, or what runs a backend piece by piece."""

    def bind(self, problem: Problem, layout: Layout) -> Bound:
        """Prepare calls of this problem. Of its sequences, states and gradients none is looked at.

        Raises as the backend's own checks do: ValueError for options out of range, MemoryError for sizes beyond memory.
        """


class Backend(Binder, Protocol):
    """Functions that every backend module offers."""

    def variants(self) -> tuple[str, ...]:
        """Forms that can be named after a colon (instruction sets), best first; empty where there is one form."""

    def reason(
        self, variant: str | None = None, cell: str | None = None, precision: Precision = "float32"
    ) -> str | None:
        """Return None if the backend, or this form of it, can run the cell in the precision here, else why not."""

    def stream(self, problem: Problem) -> Steps:
        """Return `problem.batch` rows of a net of one direction, whose parameters never change again.

        Raises as `bind`.
        """
