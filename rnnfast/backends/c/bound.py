"""A call of librnnfast prepared: its record is filled in but for the arrays, and its buffers are measured."""

from __future__ import annotations

from functools import partial

import numpy as np

from rnnfast.arrays.layout import Layout
from rnnfast.backends.c.library import check, get_num_threads
from rnnfast.backends.c.memory import ALIGNMENT, Reserve, room, workspace
from rnnfast.backends.c.record import Template
from rnnfast.backends.c.slots import Slot, are_dense
from rnnfast.backends.contract import BackwardArrays, ForwardArrays
from rnnfast.problem import CELLS, Array, Problem

NONE = id(None)
"""What the library is told where there is no array."""
BYTES = np.dtype(np.uint8)
NOWHERE = None, None
ROUNDED = "products of numbers rounded to bfloat16, by {}"
ROUNDS = "x and h rounded to bfloat16 as well, for products by {}, since the batch has {} rows or more"
PRODUCTS = ("AVX512_BF16", 16), ("AMX", 4)
"""What rf_rounds_rows counts from 1 on, and from how many rows on frozen nets use them."""
SHRINKS_FROM = 1 << 16
"""Bytes of a reserve from which on memory is worth the time of a copy, where three quarters or more would lie idle."""


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
        self.array_ragged = self.lib.array_ragged
        self.num_threads, self.rf_get_num_threads = problem.num_threads, self.lib.rf_get_num_threads
        if self.num_threads:
            self.rf_get_num_threads = partial(int, self.num_threads)
        self.reserve_size = self.template.size("reserve")
        self.reserve_room = room(self.reserve_size)
        few = problem.hidden_size * problem.dtype.itemsize * 4 <= ALIGNMENT
        self.shrinks = few and self.reserve_size >= SHRINKS_FROM and not self.template.brings  # who keeps its bytes
        if problem.frozen:
            self.template.pack(problem)
        self.idle_forward: list[Slot] = []
        self.idle_backward: list[Slot] = []
        self.idle_keeping: list[Slot] = []

    def run(self, arrays: ForwardArrays, dropout_seed: int = 0) -> Reserve | None:
        """Write y and the final states; return what backward needs where the problem is recorded."""
        x, y, start, final, lengths, mask, resets, _, dense, parameters = arrays
        idle = self.idle_forward
        try:
            slot = idle.pop()
        except IndexError:
            slot = None
        if slot is None or slot.threads != self.rf_get_num_threads():
            slot = self.slot(backward=False)
        if parameters is not None and parameters != slot.given:
            slot.addresses[0 : len(parameters)] = slot.given = parameters
        if not dense and not (dense := are_dense(x, y)):
            slot.set_strides(self.template, x=x, y=y)
        h0 = c0 = c_n = ragged = reserve = buffer = None
        if self.two_states:
            h_n, c_n = final
            if start:
                h0, c0 = start
        else:
            h_n = final[0]
            if start:
                h0 = start[0]
        if lengths is not None or mask is not None or resets is not None:
            ragged = lengths, mask, resets
            self.array_ragged(slot.record, id(lengths), id(mask), id(resets))
        if self.recorded:
            buffer = np.empty(self.reserve_room, BYTES)
            reserve = Reserve(buffer, self.reserve_size, dropout_seed, ragged)
        scratch = slot.scratch or workspace(slot.size)
        status = self.array_forward(
            slot.record,
            id(x),
            id(y),
            id(h0),
            id(c0),
            id(h_n),
            id(c_n),
            id(buffer),
            id(scratch.buffer),
            dropout_seed,
        )
        if status:
            check(status, self.variant)
        if ragged is not None:
            self.array_ragged(slot.record, NONE, NONE, NONE)
        if not dense:
            slot.reset_strides(self.template)
        idle.append(slot)
        if reserve is not None and self.shrinks:
            reserve.shrink(self.shape[-1], self.dtype)
        return reserve

    def backward(self, reserve: Reserve, arrays: BackwardArrays, *, overwrite: bool = True, keep: bool = False) -> None:
        """Write the gradients. Consumes the reserve, unless told to `keep` it."""
        x, dy, d_final, dx, d_start, d_parameters, norms, start, lengths, mask, resets, dense, parameters = arrays
        idle = self.idle_keeping if keep else self.idle_backward
        try:
            slot = idle.pop()
        except IndexError:
            slot = None
        if slot is None or slot.threads != self.rf_get_num_threads():
            slot = self.slot(backward=True, keep=keep)
        if parameters is not None and parameters != slot.given:
            slot.addresses[0 : len(parameters)] = slot.given = parameters
        if not dense and not (dense := are_dense(x, dy, dx)):
            slot.set_strides(self.template, x=x, dy=dy, dx=dx)
        if self.shrinks:
            reserve = reserve.grown()
        if reserve.ragged is not None:
            self.array_ragged(slot.record, id(lengths), id(mask), id(resets))
        wanted = self.null
        if d_parameters is not None:
            wanted = slot.ids
            wanted[0 : len(d_parameters)] = [*map(id, d_parameters)]
        h0, c0 = (*start, None, None)[:2] if start else NOWHERE
        dh_n, dc_n = (*d_final, None, None)[:2] if d_final else NOWHERE
        dh0, dc0 = (*d_start, None, None)[:2] if d_start else NOWHERE
        scratch = slot.scratch or workspace(slot.size)
        status = self.array_backward(
            slot.record,
            id(x),
            id(dy),
            id(dx),
            id(h0),
            id(c0),
            id(dh_n),
            id(dc_n),
            id(dh0),
            id(dc0),
            id(norms),
            id(reserve.buffer),
            id(scratch.buffer),
            wanted,
            slot.tables,
            reserve.dropout_seed,
            overwrite,
        )
        if status:
            check(status, self.variant)
        if reserve.ragged is not None:
            self.array_ragged(slot.record, NONE, NONE, NONE)
        if not dense:
            slot.reset_strides(self.template)
        idle.append(slot)

    def activations(self, reserve: Reserve) -> dict[str, Array]:
        """Return gates by name and, of cells that have it, "c": each (L·D, T, B, H), zero where not live."""
        slot, ffi = self.slot(backward=True), self.template.ffi
        record, scratch = slot.record, slot.scratch or workspace(slot.size)
        if self.shrinks:
            reserve = reserve.grown()
        record.workspace, record.reserve = scratch.pointer, reserve.pointer
        if reserve.ragged is not None:
            self.array_ragged(record, *map(id, reserve.ragged))
        cell = CELLS[self.cell]
        found = {name: np.empty(self.shape, self.dtype) for name in cell.gates + cell.states[1:]}
        for gate, array in enumerate(found.values()):
            for k, out in enumerate(array):
                check(self.lib.rf_activation(record, k, gate, ffi.from_buffer("void *", out)), self.variant)
        return found

    def slot(self, *, backward: bool, keep: bool = False) -> Slot:
        """Return a record for a call in progress, made for as many threads as it may use now."""
        threads = self.num_threads or get_num_threads()
        return Slot(self.template, self.reserve_size, threads, backward=backward, keep=keep)

    def reserve_bytes(self) -> int:
        """Return the bytes that a reserve takes."""
        if self.shrinks:
            return self.reserve_size // ALIGNMENT * self.shape[-1] * self.dtype.itemsize
        return self.reserve_size

    def ran(self, reserve: Reserve | None) -> str:
        """Return whether products round what they multiply, and which these are: else there is one way."""
        rounds = self.template.rounds_rows()
        text = ROUNDED if self.template.record.product_dtype else ROUNDS
        return text.format(*PRODUCTS[rounds - 1]) if rounds else ""
