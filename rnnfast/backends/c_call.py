"""An rf_problem (csrc/include/rnnfast.h) filled in from a `Problem`, and calls of librnnfast on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rnnfast.backends.c_library import check, dtype_id, get_num_threads, isa_id, library
from rnnfast.backends.c_memory import workspace
from rnnfast.problem import Array, Problem

# What an rf_problem takes over from a Problem under the same name: what a net's calls share, then what each has.
SIZES = ("num_layers", "num_directions", "input_size", "hidden_size", "first_layer", "half")
DROPOUT = ("dropout", "input_dropout", "recurrent_dropout", "dropout_seed", "first_row", "first_step")
NUMBERS = ("steps", "batch", *DROPOUT)
FORWARD = ("h0", "c0", "h_n", "c_n", "lengths", "mask", "resets")
BACKWARD = ("dh_n", "dc_n", "dh0", "dc0", "state_grad_norms")
WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
BLOCKS = ("packed", "reserve")


class LibraryCall:
    """The rf_problem of a Problem, with all that its pointers refer to."""

    def __init__(self, problem: Problem) -> None:
        self.ffi, self.lib = library()
        self.problem = problem
        earlier = None if problem.reserve is None else problem.reserve.made_by
        self.record, self.tables = self.of_call() if earlier is None else self.going_on(*earlier)
        self.record.num_threads = get_num_threads()
        self.set_arrays(FORWARD)
        self.set_sequence("x", problem.x)
        self.set_sequence("y", problem.y)
        for name in BLOCKS:
            if (block := getattr(problem, name)) is not None:
                setattr(self.record, name, self.pointer(block.bytes))
                setattr(self.record, name + "_bytes", block.bytes.size)
        if problem.reserve is not None:
            self.set_gradients()

    def of_call(self) -> tuple[Any, list[Any]]:
        """A record with a call's numbers, and the tables it refers to; what is None stays NULL."""
        problem = self.problem
        cache = {} if problem.cache is None else problem.cache
        if "rf_problem" not in cache:
            cache["rf_problem"] = self.of_net()
        net, *tables = cache["rf_problem"]
        record = self.ffi.new("rf_problem *", net[0])
        for name in NUMBERS:
            setattr(record, name, getattr(problem, name))
        record.t1 = problem.steps
        return record, tables

    def going_on(self, earlier: Any, tables: list[Any]) -> tuple[Any, list[Any]]:
        """The record of the forward before, without its outputs, which are the caller's by now."""
        record = self.ffi.new("rf_problem *", earlier[0])
        record.y = record.h_n = record.c_n = self.ffi.NULL
        return record, [*tables]

    def of_net(self) -> list[Any]:
        """A record with what all calls of a net with the same arrays of parameters have in common, and its tables."""
        problem, record = self.problem, self.ffi.new("rf_problem *")
        record.struct_size = self.ffi.sizeof("rf_problem")
        record.cell = self.lib.rf_cell_id(problem.cell.encode())
        record.dtype = record.weight_dtype = dtype_id(problem.dtype)
        record.isa = isa_id(problem.variant)
        record.state_size = problem.hidden_size
        record.masked_output = self.lib.RF_MASKED_HOLD if problem.masked_output == "hold" else self.lib.RF_MASKED_ZERO
        for name in SIZES:
            setattr(record, name, getattr(problem, name))
        return [record, *(self.set_table(record, name, getattr(problem, name)) for name in WEIGHTS)]

    def set_table(self, record: Any, name: str, arrays: list[Array] | None) -> Any:
        """One pointer per layer and direction; what is returned must outlive the record's use."""
        if arrays is None:
            return None
        from_buffer = self.ffi.from_buffer
        pointers = [from_buffer("void *", array) for array in arrays]
        table = self.ffi.new("void *[]", pointers)
        setattr(record, name, table)
        return table, pointers

    def set_gradients(self) -> None:
        """What only backward reads and writes."""
        self.record.overwrite = self.problem.overwrite
        self.set_arrays(BACKWARD)
        self.set_sequence("dy", self.problem.dy)
        self.set_sequence("dx", self.problem.dx)
        for name in WEIGHTS:
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
        self.record.workspace, self.record.workspace_bytes = self.pointer(scratch.bytes), scratch.bytes.size
        check(function(self.record, *arguments), self.problem.variant)
