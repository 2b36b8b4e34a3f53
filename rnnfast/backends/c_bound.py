"""A forward of the C backend with all but its numbers settled, to be repeated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rnnfast.backends.c_call import LibraryCall
from rnnfast.backends.c_library import check, get_num_threads
from rnnfast.backends.c_memory import Block, workspace
from rnnfast.problem import Array, Problem


class Bound:
    """A forward of one problem, recorded or not, to be run on other x and y with the same shapes and strides."""

    def __init__(self, problem: Problem) -> None:
        call = LibraryCall(replace(problem, reserve=None))
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
        self.reserve_bytes = call.size(call.lib.rf_reserve_bytes) if problem.record else None

    def is_stale(self) -> bool:
        """Whether the number of threads has changed since."""
        return bool(self.threads != get_num_threads())

    def run(
        self, x: Array, y: Array, start: Sequence[Array], final: Sequence[Array], dropout_seed: int = 0
    ) -> Block | None:
        """The states before (none: zeros) and after the steps are (h,) or (h, c). Returns the reserve if recorded."""
        record = self.new("rf_problem *", self.record[0])
        scratch = workspace(self.bytes).bytes
        record.x, record.y, record.workspace, *states = [
            self.from_buffer("void *", array) for array in (x, y, scratch, *final, *start)
        ]
        for name, pointer in zip(self.fields, states, strict=False):
            setattr(record, name, pointer)
        reserve = None
        if self.reserve_bytes is not None:
            reserve = Block(self.reserve_bytes)
            reserve.made_by = record, self.tables
            record.reserve, record.dropout_seed = self.from_buffer("void *", reserve.bytes), dropout_seed
        check(self.forward(record), self.variant)
        return reserve
