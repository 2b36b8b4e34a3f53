"""The C backend: fills an `rf_problem` (csrc/rnnfast.h) from a `Problem` and calls librnnfast on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rnnfast.backends.c_library import (
    check,
    describe,
    dtype_id,
    elementwise,
    fma_loop,
    get_num_threads,
    isa_id,
    library,
    reason,
    set_num_threads,
    variants,
)
from rnnfast.backends.c_memory import Block, workspace
from rnnfast.problem import CELLS, Array, Problem

__all__ = [
    "activations",
    "backward",
    "describe",
    "elementwise",
    "fma_loop",
    "forward",
    "get_num_threads",
    "pack",
    "reason",
    "set_num_threads",
    "variants",
]

# What an rf_problem takes over from a Problem under the same name.
_NUMBERS = (
    *("num_layers", "num_directions", "steps", "batch", "input_size", "hidden_size"),
    *("dropout", "input_dropout", "recurrent_dropout", "dropout_seed", "first_row"),
)
_SEQUENCES = ("x", "y", "dy", "dx")
_ARRAYS = (
    *("h0", "c0", "h_n", "c_n", "lengths", "mask", "resets"),
    *("dh_n", "dc_n", "dh0", "dc0", "state_grad_norms"),
)
_TABLES = (
    *("weight_ih", "weight_hh", "bias_ih", "bias_hh"),
    *("d_weight_ih", "d_weight_hh", "d_bias_ih", "d_bias_hh"),
)
_BLOCKS = ("packed", "reserve")


def pack(problem: Problem) -> Block | None:
    """Weights rearranged once for many forwards, for `problem.packed`; None where that gains nothing."""
    call = _Call(problem)
    size = call.size(call.lib.rf_packed_bytes)
    packed = Block(size)
    check(call.lib.rf_pack(call.record, call.pointer(packed.bytes)), problem.variant)
    return packed


def forward(problem: Problem) -> None:
    """Write y and final states; with `record`, keep in `reserve` what `backward` needs.

    ValueError for a length or probability out of range, or an instruction set that does not exist; MemoryError where
    the working memory cannot be had.
    """
    problem.reserve = None
    call = _Call(problem)
    if problem.record:
        problem.reserve = Block(call.size(call.lib.rf_reserve_bytes))
        call.record.reserve = call.pointer(problem.reserve.bytes)
    call.run(call.lib.rf_forward)


def backward(problem: Problem) -> None:
    """Write dx, dh0, dc0 and add to the parameters' gradients. Consumes `reserve`; RuntimeError where there is none."""
    call = _recorded_call(problem)
    call.run(call.lib.rf_backward)
    problem.reserve = None


def activations(problem: Problem) -> dict[str, Array]:
    """From a recorded problem, before `backward`: post-activation gates by name, and "c" for cells that have it.

    Each (L·D, T, B, H); zero at steps that are not live. RuntimeError where nothing was recorded.
    """
    call = _recorded_call(problem)
    shape = (problem.num_layers * problem.num_directions, problem.steps, problem.batch, problem.hidden_size)
    found = {name: np.empty(shape, problem.dtype) for name in CELLS[problem.cell].gates + problem.states[1:]}
    for gate, array in enumerate(found.values()):
        for k, out in enumerate(array):
            call.run(call.lib.rf_activation, k, gate, call.pointer(out))
    return found


class _Call:
    """The rf_problem of a Problem, with all that its pointers refer to, for one call of the library."""

    def __init__(self, problem: Problem) -> None:
        self.ffi, self.lib = library()
        self.problem = problem
        self.tables: list[Any] = []
        self.record = record = self.ffi.new("rf_problem *")
        record.struct_size = self.ffi.sizeof("rf_problem")
        record.cell = self.lib.rf_cell_id(problem.cell.encode())
        record.dtype = record.weight_dtype = dtype_id(problem.dtype)
        record.isa = isa_id(problem.variant)
        record.state_size = problem.hidden_size
        record.t1 = problem.steps
        record.num_threads = get_num_threads()
        record.masked_output = self.lib.RF_MASKED_HOLD if problem.masked_output == "hold" else self.lib.RF_MASKED_ZERO
        for name in _NUMBERS:
            setattr(record, name, getattr(problem, name))
        # What is None stays NULL: cffi zeroes a new record.
        for name in _ARRAYS:
            if (array := getattr(problem, name)) is not None:
                setattr(record, name, self.pointer(array))
        for name in _TABLES:
            if (arrays := getattr(problem, name)) is not None:
                self.tables.append(self.ffi.new("void *[]", [self.pointer(array) for array in arrays]))
                setattr(record, name, self.tables[-1])
        for name in _SEQUENCES:
            if (array := getattr(problem, name)) is not None:
                self.set_sequence(name, array)
        for name in _BLOCKS:
            if (block := getattr(problem, name)) is not None:
                setattr(record, name, self.pointer(block.bytes))

    def pointer(self, array: Array) -> Any:
        """The address of an array's first element."""
        if array.flags.c_contiguous:  # three times as fast
            return self.ffi.from_buffer("void *", array)
        return self.ffi.cast("void *", array.ctypes.data)

    def set_sequence(self, name: str, array: Array) -> None:
        """A (T, B, ...) array and its strides; ValueError where a stride is no whole number of elements."""
        setattr(self.record, name, self.pointer(array))
        for axis, stride in zip("tb", array.strides, strict=False):
            elements, rest = divmod(stride, array.itemsize)
            if rest:
                raise ValueError(f"{name} has rows {stride} bytes apart, no multiple of {array.itemsize}: pass a copy")
            setattr(self.record, f"{name}_stride_{axis}", elements)

    def size(self, which: Callable[[Any, Any], int]) -> int:
        """The bytes of one of the buffers that the library asks of its caller."""
        size = self.ffi.new("size_t *")
        check(which(self.record, size), self.problem.variant)
        return int(size[0])

    def run(self, function: Callable[..., int], *arguments: Any) -> None:
        """Call a function of the library that works on the whole net, with scratch memory."""
        scratch = workspace(self.size(self.lib.rf_workspace_bytes))
        self.record.workspace = self.pointer(scratch.bytes)
        check(function(self.record, *arguments), self.problem.variant)


def _recorded_call(problem: Problem) -> _Call:
    """RuntimeError unless `forward` left a reserve."""
    if problem.reserve is None:
        raise RuntimeError("nothing was recorded, or backward has consumed it: run forward with record=True first")
    return _Call(problem)
