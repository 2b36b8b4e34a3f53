"""Forward and backward of the C backend with all but their numbers settled, to be repeated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rnnfast.backends import BackwardArrays
from rnnfast.backends.c_call import LibraryCall
from rnnfast.backends.c_library import check, get_num_threads
from rnnfast.backends.c_memory import Block, workspace
from rnnfast.problem import Array, Problem


class Bound:
    """One problem, recorded or not, to be run on other x and y with the same shapes and strides."""

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
        self.new, self.from_buffer, self.null = call.ffi.new, call.ffi.from_buffer, call.ffi.NULL
        self.rf_forward, self.rf_backward = call.lib.rf_forward, call.lib.rf_backward
        self.rf_workspace_bytes, self.backward_bytes = call.lib.rf_workspace_bytes, 0
        self.bytes = self.record.workspace_bytes = call.size(call.lib.rf_workspace_bytes)
        self.reserve_bytes = call.size(call.lib.rf_reserve_bytes) if problem.record else None
        self.record.reserve_bytes = self.reserve_bytes or 0

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
        check(self.rf_forward(record), self.variant)
        return reserve

    def backward(self, reserve: Block, arrays: BackwardArrays) -> None:
        """Back-propagate through a recorded run. The library has what it needs of x in the reserve."""
        assert reserve.made_by is not None
        record, pointer = self.new("rf_problem *", reserve.made_by[0][0]), self.from_buffer
        record.y = record.h_n = record.c_n = self.null
        record.overwrite = True  # on as many threads as the record says, which its workspace is measured for
        record.dy_stride_t, record.dy_stride_b = record.y_stride_t, record.y_stride_b
        record.dx_stride_t, record.dx_stride_b = record.x_stride_t, record.x_stride_b
        for name, array in (("dy", arrays.dy), ("dx", arrays.dx)):
            if array is not None:
                setattr(record, name, pointer("void *", array))
        for names, states in ((("dh0", "dc0"), arrays.d_start), (("dh_n", "dc_n"), arrays.d_final)):
            for name, array in zip(names, states, strict=False):
                setattr(record, name, pointer("void *", array))
        lists = arrays.tables.values()
        kept = [self.new("void *[]", [pointer("void *", array) for array in each]) for each in lists]
        for name, table in zip(arrays.tables, kept, strict=True):
            setattr(record, "d_" + name, table)
        if self.backward_bytes == 0:
            size = self.new("size_t *")
            check(self.rf_workspace_bytes(record, size), self.variant)
            self.backward_bytes = int(size[0])
        scratch = workspace(self.backward_bytes).bytes
        record.workspace, record.workspace_bytes = pointer("void *", scratch), self.backward_bytes
        check(self.rf_backward(record), self.variant)
