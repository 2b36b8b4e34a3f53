"""Records for calls in progress: each has a thread to itself, and is idle in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rnnfast.backends.c.memory import ALIGNMENT, Block
from rnnfast.backends.c.record import Template
from rnnfast.problem import Array

SMALL = 1 << 18
"""Bytes of scratch that a record may have to itself; more is shared by all calls of a thread."""


class Slot:
    """A record sized for a number of threads."""

    __slots__ = ("addresses", "given", "ids", "record", "scratch", "size", "tables", "threads")

    def __init__(
        self, template: Template, reserve_size: int, threads: int, *, backward: bool, keep: bool = False
    ) -> None:
        ffi, self.record = template.ffi, template.copy()
        self.addresses: Any = template.own_tables(self.record) if template.brings else None
        self.given: Sequence[int] = ()
        """The addresses that were written last."""
        self.record.num_threads = self.threads = threads
        self.record.reserve_bytes, some = reserve_size, ffi.cast("void *", ALIGNMENT)
        if backward:
            self.record.packed, self.record.keep_reserve = ffi.NULL, keep
            # All that may be asked for is counted.
            self.record.reserve, self.record.state_grad_norms = some, ffi.cast("double *", some)
        self.size = self.record.workspace_bytes = template.size("workspace", self.record)
        self.scratch = Block(self.size) if self.size <= SMALL else None
        self.ids = ffi.new("uintptr_t[]", template.parameters)
        self.tables = ffi.new("void *[]", template.parameters)

    def set_strides(self, template: Template, **sequences: Array | None) -> None:
        """Take over the strides of sequences that are not dense, until `reset_strides`.

        Raises ValueError where a stride is no whole number of elements.
        """
        for name, array in sequences.items():
            if array is None:
                continue
            view = template.layout.sequence(array)
            size, (stride_t, stride_b, _) = view.itemsize, view.strides
            if stride_t % size or stride_b % size:
                raise ValueError(f"{name} has strides {view.strides}, no multiples of {size} bytes: pass a copy")
            setattr(self.record, name + "_stride_t", stride_t // size)
            setattr(self.record, name + "_stride_b", stride_b // size)

    def reset_strides(self, template: Template) -> None:
        """Take sequences for dense again."""
        for name in ("x", "y", "dy", "dx"):
            for axis in ("t", "b"):
                field = f"{name}_stride_{axis}"
                setattr(self.record, field, getattr(template.record, field))


def are_dense(*arrays: Array | None) -> bool:
    """Return whether none of these has gaps."""
    return all(array is None or array.flags.c_contiguous for array in arrays)
