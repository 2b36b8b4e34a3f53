"""The C backend: the functions of `Backend` as calls of librnnfast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnnfast.backends.c_bound import Bound
from rnnfast.backends.c_call import LibraryCall
from rnnfast.backends.c_library import (
    check,
    describe,
    elementwise,
    fma_loop,
    get_num_threads,
    read_loop,
    reason,
    set_num_threads,
    variants,
)
from rnnfast.backends.c_memory import Block
from rnnfast.problem import CELLS, Array, Problem

__all__ = [
    "activations",
    "backward",
    "bind",
    "describe",
    "elementwise",
    "fma_loop",
    "forward",
    "get_num_threads",
    "pack",
    "ran",
    "read_loop",
    "reason",
    "reserve_bytes",
    "set_num_threads",
    "variants",
]


def pack(problem: Problem) -> Block | None:
    """Weights rearranged once for many forwards, for `problem.packed`; None where that gains nothing."""
    call = LibraryCall(problem)
    size = call.size(call.lib.rf_packed_bytes)
    packed = Block(size)
    call.record.packed_bytes = size
    check(call.lib.rf_pack(call.record, call.pointer(packed.bytes)), problem.variant)
    return packed


def bind(problem: Problem) -> Bound:
    """This problem to be repeated on other arrays of the same shapes and strides."""
    return Bound(problem)


def forward(problem: Problem) -> None:
    """Write y and final states; with `record`, keep in `reserve` what `backward` needs.

    ValueError for a length or probability out of range, or an instruction set that does not exist; MemoryError where
    the working memory cannot be had.
    """
    problem.reserve = None
    call = LibraryCall(problem)
    if problem.record:
        call.record.reserve_bytes = call.size(call.lib.rf_reserve_bytes)
        problem.reserve = Block(call.record.reserve_bytes)
        call.record.reserve = call.pointer(problem.reserve.bytes)
    call.run(call.lib.rf_forward)
    if problem.record:
        problem.reserve.made_by = call.record, call.tables


def backward(problem: Problem) -> None:
    """Write dx, dh0, dc0 and add to the parameters' gradients. Consumes `reserve`; RuntimeError where there is none."""
    call = _recorded(problem)
    call.run(call.lib.rf_backward)
    problem.reserve = None


def reserve_bytes(problem: Problem) -> int:
    """Bytes that a recorded `forward` leaves in `reserve`."""
    call = LibraryCall(replace(problem, reserve=None))
    return call.size(call.lib.rf_reserve_bytes)


def ran(problem: Problem) -> str:
    """There is one way."""
    return ""


def activations(problem: Problem) -> dict[str, Array]:
    """From a recorded problem, before `backward`: post-activation gates by name, and "c" for cells that have it.

    Each (L·D, T, B, H); zero at steps that are not live. RuntimeError where nothing was recorded.
    """
    call = _recorded(problem)
    shape = (problem.num_layers * problem.num_directions, problem.steps, problem.batch, problem.hidden_size)
    found = {name: np.empty(shape, problem.dtype) for name in CELLS[problem.cell].gates + problem.states[1:]}
    for gate, array in enumerate(found.values()):
        for k, out in enumerate(array):
            call.run(call.lib.rf_activation, k, gate, call.pointer(out))
    return found


def _recorded(problem: Problem) -> LibraryCall:
    """RuntimeError unless `forward` left a reserve."""
    if problem.reserve is None:
        raise RuntimeError("nothing was recorded, or backward has consumed it: run forward with record=True first")
    return LibraryCall(problem)
