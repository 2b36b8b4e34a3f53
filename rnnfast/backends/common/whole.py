"""A whole problem on any backend: prepared, run forward and gone back through, on the arrays that it names."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

from rnnfast.arrays.layout import Layout
from rnnfast.backends.contract import BackwardArrays, Binder, Bound, ForwardArrays
from rnnfast.problem import Array, Problem


class Recorded(NamedTuple):
    """Recording that `forward` leaves in a problem's `reserve`."""

    bound: Bound
    kept: Any


def forward(binder: Binder, problem: Problem) -> None:
    """Write y and final states; with `record`, keep in `reserve` what the functions below need."""
    problem.reserve = None
    bound = binder.bind(problem, Layout())
    assert problem.x is not None and problem.y is not None
    start, final = (_states(problem, *names) for names in (("h0", "c0"), ("h_n", "c_n")))
    inputs = problem.lengths, problem.mask, problem.resets, problem.library
    kept = bound.run(ForwardArrays(problem.x, problem.y, start, final, *inputs), problem.dropout_seed)
    if problem.record:
        problem.reserve = Recorded(bound, kept)


def backward(problem: Problem, *, keep: bool = False) -> None:
    """Write dx, dh0, dc0 and, added or with `overwrite`, the parameters' gradients.

    Consumes `reserve`; with `keep` it serves again.
    """
    bound, kept = _recorded(problem)
    if not keep:
        problem.reserve = None
    assert problem.x is not None
    d_final, d_start = (_states(problem, *names) for names in (("dh_n", "dc_n"), ("dh0", "dc0")))
    arrays = BackwardArrays(
        problem.x,
        problem.dy,
        d_final,
        problem.dx,
        d_start,
        d_parameters(problem),
        problem.state_grad_norms,
        _states(problem, "h0", "c0"),
        problem.lengths,
        problem.mask,
        problem.resets,
    )
    bound.backward(kept, arrays, overwrite=problem.overwrite, keep=keep)


def activations(problem: Problem) -> dict[str, Array]:
    """Gates and cell states of a recorded problem, as `Bound.activations` has them."""
    bound, kept = _recorded(problem)
    return bound.activations(kept)


def ran(problem: Problem) -> str:
    """Return which of the backend's ways a recorded problem took."""
    bound, kept = _recorded(problem)
    return bound.ran(kept)


def reserve_bytes(binder: Binder, problem: Problem) -> int:
    """Bytes that a recorded problem keeps, at most."""
    return binder.bind(problem, Layout()).reserve_bytes()


def d_parameters(problem: Problem) -> list[Array] | None:
    """The gradients of the parameters in the order of `BackwardArrays`; None: not wanted."""
    tables = problem.d_weight_ih, problem.d_weight_hh, problem.d_bias_ih, problem.d_bias_hh
    wanted = [table for table in tables if table is not None]
    return [*chain.from_iterable(zip(*wanted, strict=True))] or None


def set_d_parameters(problem: Problem, arrays: Sequence[Array] | None) -> None:
    """Let the problem's tables hold these gradients, which come in the order of `BackwardArrays`."""
    if arrays is None:
        problem.d_weight_ih = problem.d_weight_hh = problem.d_bias_ih = problem.d_bias_hh = None
        return
    each = 2 if problem.bias_ih is None else 4
    tables = [list(arrays[n::each]) for n in range(each)]
    problem.d_weight_ih, problem.d_weight_hh = tables[:2]
    problem.d_bias_ih, problem.d_bias_hh = tables[2:] or (None, None)


def _states(problem: Problem, h: str, c: str) -> tuple[Array | None, ...]:
    return tuple(getattr(problem, name) for name in (h, c)[: len(problem.states)])


def _recorded(problem: Problem) -> Recorded:
    """Raises RuntimeError unless `forward` left a reserve."""
    if problem.reserve is None:
        raise RuntimeError("nothing was recorded, or backward has consumed it: run forward with record=True first")
    recorded: Recorded = problem.reserve
    return recorded
