"""The Numba CPU backend: compiled where no C compiler is, by LLVM, on first use. Imports Numba when it runs."""

from __future__ import annotations

import functools
import importlib.util
from typing import Any

from rnnfast.backends.contract import Bound
from rnnfast.problem import Array, Problem


def variants() -> tuple[str, ...]:
    """There is one form."""
    return ()


@functools.cache
def reason(variant: str | None = None) -> str | None:
    """None where Numba can be imported."""
    if variant is not None:
        return f"the numba backend has one form only, not {variant!r}"
    if importlib.util.find_spec("numba") is None:
        return "numba is not installed: pip install 'rnnfast[numba]'"
    return None


def pack(problem: Problem) -> Any:
    """The weights of every layer and direction as forward reads them."""
    return _net().packed(problem)


def bind(problem: Problem) -> Bound | None:
    """This problem to be repeated on other arrays; None where it would have to look at more than those."""
    from rnnfast.backends.numba import bound

    options = problem.lengths, problem.mask, problem.resets
    dropout = problem.dropout or problem.input_dropout or problem.recurrent_dropout
    return None if dropout or any(option is not None for option in options) else bound.Bound(problem)


def forward(problem: Problem) -> None:
    """Write y and final states; with `record`, keep in `reserve` what `backward` needs."""
    states = (problem.h0, problem.c0), (problem.h_n, problem.c_n)
    problem.reserve = _net().forward(problem, problem.x, problem.y, *states)


def backward(problem: Problem) -> None:
    """Write dx, dh0, dc0 and add to the parameters' gradients. Consumes `reserve`."""
    tape, problem.reserve = problem.reserve, None
    _net().backward(problem, tape)


def reserve_bytes(problem: Problem) -> int:
    """Bytes of the arrays that a recorded `forward` leaves in `reserve` where every step is live."""
    found: int = _net().kept_bytes(problem)
    return found


def ran(problem: Problem) -> str:
    """There is one way."""
    return ""


def activations(problem: Problem) -> dict[str, Array]:
    """From a recorded problem, before `backward`: post-activation gates by name, and "c" for cells that have it.

    Each (L·D, T, B, H); zero at steps that are not live.
    """
    found: dict[str, Array] = _net().activations(problem, problem.reserve)
    return found


@functools.cache
def _net() -> Any:
    from rnnfast.backends.numba import compiling, net

    compiling.announce()
    return net
