"""An rf_problem (include/rnnfast.h) made from a `Problem`: what all calls of one form have in common."""

from __future__ import annotations

from typing import Any

from rnnfast.arrays.layout import Layout
from rnnfast.backends.c.library import check, dtype_id, isa_id, library
from rnnfast.backends.c.memory import Block
from rnnfast.problem import Array, Problem

# What an rf_problem takes over from a Problem under the same name.
SIZES = ("num_layers", "num_directions", "steps", "batch", "input_size", "hidden_size")
PART = ("first_row", "first_step", "first_layer", "only_direction")
DROPOUT = ("dropout", "input_dropout", "recurrent_dropout")
WEIGHT_TYPES = {"bfloat16": "RF_BF16", "int8": "RF_I8"}
WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")


class Template:
    """The record of a form of call, to be copied for every call in progress; its arrays are still to be set."""

    def __init__(self, problem: Problem, layout: Layout) -> None:
        self.ffi, self.lib = library()
        self.variant, self.layout = problem.variant, layout
        self.count = problem.num_layers * problem.num_directions
        self.parameters = self.count * sum(getattr(problem, name) is not None for name in WEIGHTS)
        self.record = record = self.ffi.new("rf_problem *")
        record.struct_size = self.ffi.sizeof("rf_problem")
        record.cell = self.lib.rf_cell_id(problem.cell.encode())
        record.dtype = record.weight_dtype = dtype_id(problem.dtype)
        if problem.weights is not None:
            record.weight_dtype = getattr(self.lib, WEIGHT_TYPES[problem.weights])
        record.product_dtype = self.lib.RF_BF16 if problem.precision == "bfloat16" else 0
        record.isa = self.chosen_isa()
        record.state_size, record.t1 = problem.state_size, problem.steps
        record.masked_output = self.lib.RF_MASKED_HOLD if problem.masked_output == "hold" else self.lib.RF_MASKED_ZERO
        for name in (*SIZES, *PART, *DROPOUT):
            setattr(record, name, getattr(problem, name))
        record.team = self.ffi.cast("rf_team", problem.team)
        self.set_strides(layout, problem)
        self.brings = not problem.weight_ih
        self.tables = tuple(name for name in WEIGHTS if getattr(problem, name) is not None)
        # Whatever the record points to must outlive it.
        self.kept: list[Any] = [self.set_table(name, getattr(problem, name)) for name in WEIGHTS]
        if self.brings:  # sizes depend on which tables there are
            self.kept.append(self.own_tables(record))

    def chosen_isa(self) -> int:
        """Return the instruction set's number: settled now, as sizes depend on it."""
        if self.variant is not None:
            return isa_id(self.variant)
        isa = self.ffi.new("int32_t *")
        check(self.lib.rf_isa_default(isa))
        return int(isa[0])

    def rounds_rows(self) -> int:
        """Return by which products calls of this form round x and h to the type of the weights, 0 where they do not."""
        rounds = self.ffi.new("int32_t *")
        check(self.lib.rf_rounds_rows(self.record, rounds), self.variant)
        return int(rounds[0])

    def set_strides(self, layout: Layout, problem: Problem) -> None:
        """Give the sequences the strides of dense arrays with the caller's axes."""
        record, sizes = self.record, (problem.steps, problem.batch)
        x, y = problem.input_size, problem.num_directions * problem.state_size
        record.x_stride_t, record.x_stride_b = record.dx_stride_t, record.dx_stride_b = layout.strides(*sizes, x)
        record.y_stride_t, record.y_stride_b = record.dy_stride_t, record.dy_stride_b = layout.strides(*sizes, y)

    def set_table(self, name: str, arrays: list[Array] | None) -> Any:
        """Point the record to one array per layer and direction; return what must outlive its use."""
        if not arrays:
            return None
        pointers = [self.ffi.from_buffer("void *", array) for array in arrays]
        table = self.ffi.new("void *[]", pointers)
        setattr(self.record, name, table)
        return table, pointers

    def own_tables(self, record: Any) -> Any:
        """Point a record to tables of its own; return what takes the addresses of parameters, all tables in turn."""
        addresses = self.ffi.new("uintptr_t[]", self.parameters)
        pointers = self.ffi.cast("void **", addresses)
        for number, name in enumerate(self.tables):
            setattr(record, name, pointers + number * self.count)
        return addresses

    def pack(self, problem: Problem) -> Block:
        """Point to weights rearranged once for all forms of a net that is frozen, and return them."""
        cache = {} if problem.cache is None else problem.cache
        if "packed" not in cache:
            block = Block(self.size("packed"))
            self.record.packed_bytes = block.size
            check(self.lib.rf_pack(self.record, block.pointer), self.variant)
            cache["packed"] = block
        packed: Block = cache["packed"]
        self.kept.append(packed)
        self.record.packed, self.record.packed_bytes = packed.pointer, packed.size
        return packed

    def copy(self) -> Any:
        """Return a record of its own for one call in progress."""
        return self.ffi.new("rf_problem *", self.record[0])

    def size(self, which: str, record: Any = None) -> int:
        """Return the bytes of a buffer, "workspace", "reserve" or "packed", that the library asks of its caller."""
        size = self.ffi.new("size_t *")
        counted = getattr(self.lib, f"rf_{which}_bytes")(self.record if record is None else record, size)
        check(counted, self.variant)
        return int(size[0])
