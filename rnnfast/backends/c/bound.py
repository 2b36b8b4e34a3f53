"""A call of librnnfast prepared: its record is filled in but for the arrays, and its buffers are measured."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from rnnfast.arrays.layout import Layout
from rnnfast.backends.c.library import check
from rnnfast.backends.c.memory import Block, workspace
from rnnfast.backends.c.record import Template
from rnnfast.backends.c.slots import Slot, are_dense
from rnnfast.backends.contract import BackwardArrays, ForwardArrays
from rnnfast.problem import CELLS, Array, Problem


class Reserve:
    """What a recorded run left for backward, and the numbers that backward needs again."""

    __slots__ = ("block", "dropout_seed", "ragged")

    def __init__(self, block: Block, dropout_seed: int, ragged: tuple[Array | None, ...]) -> None:
        self.block, self.dropout_seed, self.ragged = block, dropout_seed, ragged

    def __deepcopy__(self, memo: dict[int, Any]) -> Reserve:
        return Reserve(copy.deepcopy(self.block, memo), self.dropout_seed, self.ragged)


class Bound:
    """One form of call. Arrays go to the library as their id(): csrc/python/arrays.h says why."""

    def __init__(self, problem: Problem, layout: Layout) -> None:
        self.template = Template(problem, layout)
        self.variant, self.recorded = problem.variant, problem.record
        self.two_states = len(problem.states) > 1
        self.shape = self.template.count, problem.steps, problem.batch, problem.hidden_size
        self.cell, self.dtype = problem.cell, problem.dtype
        self.lib, self.null = self.template.lib, self.template.ffi.NULL
        self.array_forward, self.array_backward = self.lib.array_forward, self.lib.array_backward
        self.rf_get_num_threads = self.lib.rf_get_num_threads
        self.reserve_size = self.template.size("reserve")
        if problem.frozen:
            self.template.pack(problem)
        self.idle_forward: list[Slot] = []
        self.idle_backward: list[Slot] = []

    def run(self, arrays: ForwardArrays, dropout_seed: int = 0) -> Reserve | None:
        """Write y and the final states; return what backward needs where the problem is recorded."""
        x, y, start, final, lengths, mask, resets, _, dense = arrays
        slot = self.slot(self.idle_forward, backward=False)
        if not dense and not (dense := are_dense(x, y)):
            slot.set_strides(self.template, x=x, y=y)
        scratch = workspace(slot.size)
        reserve, room = None, 0
        if self.recorded:
            reserve = Reserve(Block(self.reserve_size), dropout_seed, (lengths, mask, resets))
            room = id(reserve.block.buffer)
        status = self.array_forward(
            slot.record,
            id(x),
            id(y),
            *(self.ids(start) if start else (0, 0)),
            *self.ids(final),
            0 if lengths is None else id(lengths),
            0 if mask is None else id(mask),
            0 if resets is None else id(resets),
            room,
            id(scratch.buffer),
            dropout_seed,
        )
        if status:
            check(status, self.variant)
        if dense:  # else the record has strides of its own now
            self.idle_forward.append(slot)
        return reserve

    def backward(self, reserve: Reserve, arrays: BackwardArrays, *, overwrite: bool = True) -> None:
        """Write the gradients. Consumes the reserve."""
        x, dy, d_final, dx, d_start, d_parameters, norms, start, lengths, mask, resets, dense = arrays
        slot = self.slot(self.idle_backward, backward=True)
        if not dense and not (dense := are_dense(x, dy, dx)):
            slot.set_strides(self.template, x=x, dy=dy, dx=dx)
        scratch = workspace(slot.size)
        if d_parameters is not None:
            slot.ids[0 : len(d_parameters)] = [*map(id, d_parameters)]
        status = self.array_backward(
            slot.record,
            id(x),
            0 if dy is None else id(dy),
            0 if dx is None else id(dx),
            *(self.ids(start) if start else (0, 0)),
            *(self.ids(d_final) if d_final else (0, 0)),
            *(self.ids(d_start) if d_start else (0, 0)),
            0 if lengths is None else id(lengths),
            0 if mask is None else id(mask),
            0 if resets is None else id(resets),
            0 if norms is None else id(norms),
            id(reserve.block.buffer),
            id(scratch.buffer),
            self.null if d_parameters is None else slot.ids,
            slot.tables,
            reserve.dropout_seed,
            overwrite,
        )
        if status:
            check(status, self.variant)
        if dense:
            self.idle_backward.append(slot)

    def activations(self, reserve: Reserve) -> dict[str, Array]:
        """Return gates by name and, of cells that have it, "c": each (L·D, T, B, H), zero where not live."""
        slot, ffi = self.slot([], backward=True), self.template.ffi
        record, scratch = slot.record, workspace(slot.size)
        record.workspace, record.reserve = scratch.pointer, reserve.block.pointer
        for name, array in zip(("lengths", "mask", "resets"), reserve.ragged, strict=True):
            if array is not None:
                setattr(record, name, ffi.cast(ffi.typeof(getattr(record, name)), array.ctypes.data))
        cell = CELLS[self.cell]
        found = {name: np.empty(self.shape, self.dtype) for name in cell.gates + cell.states[1:]}
        for gate, array in enumerate(found.values()):
            for k, out in enumerate(array):
                check(self.lib.rf_activation(record, k, gate, ffi.from_buffer("void *", out)), self.variant)
        return found

    def reserve_bytes(self) -> int:
        """Bytes that a reserve takes."""
        return self.reserve_size

    def ran(self, reserve: Reserve) -> str:
        """There is one way."""
        return ""

    def slot(self, idle: list[Slot], *, backward: bool) -> Slot:
        """Take a record that is idle, or make one where there is none for as many threads as are allowed now."""
        try:
            slot = idle.pop()
        except IndexError:
            return Slot(self.template, self.reserve_size, backward=backward)
        if slot.threads == self.rf_get_num_threads():
            return slot
        return Slot(self.template, self.reserve_size, backward=backward)

    def ids(self, states: Any) -> tuple[int, int]:
        """Return what the library is told of (h,) or (h, c); 0 for what is None or is not there."""
        h = states[0]
        c = states[1] if self.two_states else None
        return 0 if h is None else id(h), 0 if c is None else id(c)
