"""The C backend: fills an `rf_problem` (csrc/rnnfast.h) from a `Problem` and calls librnnfast on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    read_loop,
    reason,
    set_num_threads,
    variants,
)
from rnnfast.backends.c_memory import Block, workspace
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
    "read_loop",
    "reason",
    "set_num_threads",
    "variants",
]

# What an rf_problem takes over from a Problem under the same name: what a net's calls share, then what each has.
_SIZES = ("num_layers", "num_directions", "input_size", "hidden_size")
_NUMBERS = ("steps", "batch", "dropout", "input_dropout", "recurrent_dropout", "dropout_seed", "first_row")
_FORWARD = ("h0", "c0", "h_n", "c_n", "lengths", "mask", "resets")
_BACKWARD = ("dh_n", "dc_n", "dh0", "dc0", "state_grad_norms")
_WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
_BLOCKS = ("packed", "reserve")


def pack(problem: Problem) -> Block | None:
    """Weights rearranged once for many forwards, for `problem.packed`; None where that gains nothing."""
    call = _Call(problem)
    size = call.size(call.lib.rf_packed_bytes)
    packed = Block(size)
    check(call.lib.rf_pack(call.record, call.pointer(packed.bytes)), problem.variant)
    return packed


def bind(problem: Problem) -> Bound | None:
    """A forward of this problem to be repeated with other numbers; None where that gains nothing."""
    return Bound(problem)


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


class Bound:
    """A forward of one problem, to be run on other x and y with the same shapes and strides."""

    def __init__(self, problem: Problem) -> None:
        call = _Call(problem)
        isa = call.ffi.new("int32_t *")
        check(call.lib.rf_isa_default(isa))
        if problem.variant is None:  # RNNFAST_ISA may change, the size of the workspace must not
            call.record.isa = isa[0]
        # Not the call: it would keep the first problem's arrays.
        self.record, self.tables, self.variant = call.record, call.tables, problem.variant
        self.record.h0 = self.record.c0 = call.ffi.NULL
        self.fields = ("h_n", "c_n", "h0", "c0") if len(problem.states) > 1 else ("h_n", "h0")
        self.threads = call.record.num_threads
        self.new, self.from_buffer, self.forward = call.ffi.new, call.ffi.from_buffer, call.lib.rf_forward
        self.bytes = call.size(call.lib.rf_workspace_bytes)

    def is_stale(self) -> bool:
        """Whether the number of threads has changed since."""
        return bool(self.threads != get_num_threads())

    def run(self, x: Array, y: Array, start: Sequence[Array], final: Sequence[Array]) -> None:
        """The states before (none: zeros) and after the steps are (h,) or (h, c)."""
        record = self.new("rf_problem *", self.record[0])
        scratch = workspace(self.bytes).bytes
        record.x, record.y, record.workspace, *states = [
            self.from_buffer("void *", array) for array in (x, y, scratch, *final, *start)
        ]
        for name, pointer in zip(self.fields, states, strict=False):
            setattr(record, name, pointer)
        check(self.forward(record), self.variant)


class _Call:
    """The rf_problem of a Problem, with all that its pointers refer to, for one call of the library."""

    def __init__(self, problem: Problem) -> None:
        self.ffi, self.lib = library()
        self.problem = problem
        cache = {} if problem.cache is None else problem.cache
        if "rf_problem" not in cache:
            cache["rf_problem"] = self.of_net(problem)
        net, *self.tables = cache["rf_problem"]
        self.record = record = self.ffi.new("rf_problem *", net[0])  # what is None stays NULL
        for name in _NUMBERS:
            setattr(record, name, getattr(problem, name))
        record.t1 = problem.steps
        record.num_threads = get_num_threads()
        self.set_arrays(_FORWARD)
        self.set_sequence("x", problem.x)
        self.set_sequence("y", problem.y)
        for name in _BLOCKS:
            if (block := getattr(problem, name)) is not None:
                setattr(record, name, self.pointer(block.bytes))
        if problem.reserve is not None:
            self.set_gradients()

    def of_net(self, problem: Problem) -> list[Any]:
        """A record with what all calls of a net with the same arrays of parameters have in common, and its tables."""
        record = self.ffi.new("rf_problem *")
        record.struct_size = self.ffi.sizeof("rf_problem")
        record.cell = self.lib.rf_cell_id(problem.cell.encode())
        record.dtype = record.weight_dtype = dtype_id(problem.dtype)
        record.isa = isa_id(problem.variant)
        record.state_size = problem.hidden_size
        record.masked_output = self.lib.RF_MASKED_HOLD if problem.masked_output == "hold" else self.lib.RF_MASKED_ZERO
        for name in _SIZES:
            setattr(record, name, getattr(problem, name))
        return [record, *(self.set_table(record, name, getattr(problem, name)) for name in _WEIGHTS)]

    def set_table(self, record: Any, name: str, arrays: list[Array] | None) -> Any:
        """One pointer per layer and direction; what is returned must outlive the record's use."""
        if arrays is None:
            return None
        pointers = [self.pointer(array) for array in arrays]
        table = self.ffi.new("void *[]", pointers)
        setattr(record, name, table)
        return table, pointers

    def set_gradients(self) -> None:
        """What only backward reads and writes."""
        self.record.overwrite = self.problem.overwrite
        self.set_arrays(_BACKWARD)
        self.set_sequence("dy", self.problem.dy)
        self.set_sequence("dx", self.problem.dx)
        for name in _WEIGHTS:
            self.tables.append(self.set_table(self.record, f"d_{name}", getattr(self.problem, f"d_{name}")))

    def set_arrays(self, names: tuple[str, ...]) -> None:
        """Dense arrays under their own names."""
        for name in names:
            if (array := getattr(self.problem, name)) is not None:
                setattr(self.record, name, self.pointer(array))

    def pointer(self, array: Array) -> Any:
        """The address of an array's first element."""
        if array.flags.c_contiguous:  # three times as fast
            return self.ffi.from_buffer("void *", array)
        return self.ffi.cast("void *", array.ctypes.data)

    def set_sequence(self, name: str, array: Array | None) -> None:
        """A (T, B, ...) array and its strides; ValueError where a stride is no whole number of elements."""
        if array is None:
            return
        size, (stride_t, stride_b, _) = array.itemsize, array.strides
        if stride_t % size or stride_b % size:
            raise ValueError(f"{name} has strides {array.strides}, no multiples of {size} bytes: pass a copy")
        setattr(self.record, name, self.pointer(array))
        setattr(self.record, name + "_stride_t", stride_t // size)
        setattr(self.record, name + "_stride_b", stride_b // size)

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
