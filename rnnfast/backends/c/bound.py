"""A call of librnnfast prepared: its record is filled in but for the arrays, and its buffers are measured."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rnnfast.arrays.layout import Layout
from rnnfast.backends.c.library import check, get_num_threads
from rnnfast.backends.c.memory import ALIGNMENT, Block, workspace
from rnnfast.backends.c.record import Template
from rnnfast.backends.contract import BackwardArrays, ForwardArrays, Pinned
from rnnfast.problem import CELLS, Array, Problem


class Slot:
    """A record for one call in progress, sized for a number of threads."""

    __slots__ = ("record", "size", "tables", "threads")

    def __init__(self, record: Any, threads: int, size: int, tables: Sequence[Any] = ()) -> None:
        self.record, self.threads, self.size, self.tables = record, threads, size, tables


class Reserve:
    """What a recorded run left for backward, with its dropout seed, lengths, mask and resets."""

    __slots__ = ("block", "dropout_seed", "ragged")

    def __init__(self, block: Block, dropout_seed: int, ragged: tuple[Array | None, ...]) -> None:
        self.block, self.dropout_seed, self.ragged = block, dropout_seed, ragged

    def __deepcopy__(self, memo: dict[int, Any]) -> Reserve:
        return Reserve(copy.deepcopy(self.block, memo), self.dropout_seed, self.ragged)


class Bound:
    """One form of call. Every run takes a record of its own, so that threads do not meet."""

    def __init__(self, problem: Problem, layout: Layout) -> None:
        self.template = template = Template(problem, layout)
        self.layout, self.variant, self.recorded = layout, problem.variant, problem.record
        self.two_states, self.bias = len(problem.states) > 1, problem.bias_ih is not None
        self.count = problem.num_layers * problem.num_directions
        self.shape = self.count, problem.steps, problem.batch, problem.hidden_size
        self.cell, self.dtype = problem.cell, problem.dtype
        self.lib, self.null = template.lib, template.ffi.NULL
        self.from_buffer, self.void = template.ffi.from_buffer, template.ffi.typeof("void *")
        self.rf_forward, self.rf_backward = self.lib.rf_forward, self.lib.rf_backward
        self.rf_get_num_threads = self.lib.rf_get_num_threads
        self.reserve_size = template.size("reserve")
        if problem.frozen:
            self.packed = packed_weights(template, problem)
            template.record.packed, template.record.packed_bytes = self.packed.pointer, self.packed.size
        self.no_states = (self.null,) * len(problem.states)
        self.idle_forward: list[Slot] = []
        self.idle_backward: list[Slot] = []

    def run(self, arrays: ForwardArrays, dropout_seed: int = 0) -> Reserve | None:
        """Write y and the final states; return what backward needs where the problem is recorded."""
        x, y, start, final, lengths, mask, resets, _ = arrays
        slot = self.slot(self.idle_forward, self.forward_slot)
        record, from_buffer, void = slot.record, self.from_buffer, self.void
        scratch = workspace(slot.size)
        record.workspace = scratch.pointer
        try:
            record.x, record.y = from_buffer(void, x), from_buffer(void, y)
            strided = False
        except ValueError:  # they have gaps
            self.set_sequences(record, x=x, y=y)
            strided = True
        if self.two_states:
            record.h0, record.c0 = self.addresses(start)
            record.h_n, record.c_n = self.addresses(final)
        else:
            (record.h0,), (record.h_n,) = self.addresses(start), self.addresses(final)
        ragged = lengths is not None or mask is not None or resets is not None
        if ragged:
            self.set_ragged(record, lengths, mask, resets)
        record.dropout_seed, reserve = dropout_seed, None
        if self.recorded:
            block = Block(self.reserve_size)
            record.reserve = block.pointer
            reserve = Reserve(block, dropout_seed, (lengths, mask, resets))
        if status := self.rf_forward(record):
            check(status, self.variant)
        if ragged:
            self.set_ragged(record, None, None, None)
        if not strided:  # whose record has strides of its own now
            self.idle_forward.append(slot)
        return reserve

    def backward(self, reserve: Reserve, arrays: BackwardArrays, *, overwrite: bool = True) -> None:
        """Write the gradients. Consumes the reserve."""
        x, dy, d_final, dx, d_start, d_parameters, norms, start, lengths, mask, resets = arrays
        slot = self.slot(self.idle_backward, self.backward_slot)
        record, from_buffer, void, null = slot.record, self.from_buffer, self.void, self.null
        scratch = workspace(slot.size)
        record.workspace, record.reserve = scratch.pointer, reserve.block.pointer
        record.dropout_seed, record.overwrite = reserve.dropout_seed, overwrite
        try:
            record.x = from_buffer(void, x)
            record.dy = null if dy is None else from_buffer(void, dy)
            record.dx = null if dx is None else from_buffer(void, dx)
            strided = False
        except ValueError:
            self.set_sequences(record, x=x, dy=dy, dx=dx)
            strided = True
        if self.two_states:
            record.h0, record.c0 = self.addresses(start)
            record.dh_n, record.dc_n = self.addresses(d_final)
            record.dh0, record.dc0 = self.addresses(d_start)
        else:
            (record.h0,), (record.dh_n,) = self.addresses(start), self.addresses(d_final)
            (record.dh0,) = self.addresses(d_start)
        self.set_d_parameters(slot, d_parameters)
        record.state_grad_norms = null if norms is None else from_buffer("double *", norms)
        ragged = lengths is not None or mask is not None or resets is not None
        if ragged:
            self.set_ragged(record, lengths, mask, resets)
        if status := self.rf_backward(record):
            check(status, self.variant)
        if ragged:
            self.set_ragged(record, None, None, None)
        if not strided:
            self.idle_backward.append(slot)

    def activations(self, reserve: Reserve) -> dict[str, Array]:
        """Return gates by name and, of cells that have it, "c": each (L·D, T, B, H), zero where not live."""
        slot = self.backward_slot()
        record, scratch = slot.record, workspace(slot.size)
        record.workspace, record.reserve = scratch.pointer, reserve.block.pointer
        self.set_ragged(record, *reserve.ragged)
        cell = CELLS[self.cell]
        found = {name: np.empty(self.shape, self.dtype) for name in cell.gates + cell.states[1:]}
        for gate, array in enumerate(found.values()):
            for k, out in enumerate(array):
                check(self.lib.rf_activation(record, k, gate, self.from_buffer(self.void, out)), self.variant)
        return found

    def reserve_bytes(self) -> int:
        """Bytes that a reserve takes."""
        return self.reserve_size

    def ran(self, reserve: Reserve) -> str:
        """There is one way."""
        return ""

    def slot(self, idle: list[Slot], make: Callable[[], Slot]) -> Slot:
        """Take a record that is idle, or make one where there is none for as many threads as are allowed now."""
        try:
            slot = idle.pop()
        except IndexError:
            return make()
        return slot if slot.threads == self.rf_get_num_threads() else make()

    def forward_slot(self) -> Slot:
        """Make a record for forward."""
        record = self.template.copy()
        record.num_threads = threads = get_num_threads()
        record.reserve_bytes = self.reserve_size
        record.workspace_bytes = size = self.template.size("workspace", record)
        return Slot(record, threads, size)

    def backward_slot(self) -> Slot:
        """Make a record for backward, with tables for the gradients of parameters."""
        ffi, record = self.template.ffi, self.template.copy()
        record.packed = self.null
        record.num_threads = threads = get_num_threads()
        record.reserve_bytes, some = self.reserve_size, ffi.cast("void *", ALIGNMENT)
        record.reserve, record.state_grad_norms = some, ffi.cast("double *", some)  # all that may be asked for
        record.workspace_bytes = size = self.template.size("workspace", record)
        tables = [ffi.new("void *[]", self.count) for _ in range(4 if self.bias else 2)]
        return Slot(record, threads, size, tables)

    def addresses(self, states: Sequence[Array | None]) -> Sequence[Any]:
        """Return where states lie, NULL for what is None."""
        pinned = states if type(states) is Pinned else None
        if pinned is not None and pinned.known is not None:
            known: Sequence[Any] = pinned.known
            return known
        if not states:
            return self.no_states
        found = [self.null if array is None else self.from_buffer(self.void, array) for array in states]
        if pinned is not None:
            pinned.known = found
        return found

    def set_sequences(self, record: Any, **arrays: Array | None) -> None:
        """Point to sequences that have gaps, with their strides."""
        for name, array in arrays.items():
            if array is None:
                setattr(record, name, self.null)
                continue
            view = self.layout.sequence(array)
            size, (stride_t, stride_b, _) = view.itemsize, view.strides
            if stride_t % size or stride_b % size:
                raise ValueError(f"{name} has strides {view.strides}, no multiples of {size} bytes: pass a copy")
            setattr(record, name, self.template.ffi.cast(self.void, view.ctypes.data))
            setattr(record, name + "_stride_t", stride_t // size)
            setattr(record, name + "_stride_b", stride_b // size)

    def set_ragged(self, record: Any, lengths: Array | None, mask: Array | None, resets: Array | None) -> None:
        """Point to what says which steps are live and where states are cut."""
        null, from_buffer = self.null, self.from_buffer
        record.lengths = null if lengths is None else from_buffer("int64_t *", lengths)
        record.mask = null if mask is None else from_buffer("uint8_t *", mask)
        record.resets = null if resets is None else from_buffer("uint8_t *", resets)

    def set_d_parameters(self, slot: Slot, arrays: Sequence[Array] | None) -> None:
        """Point to the gradients of the parameters, which come layer-direction after layer-direction."""
        record, tables = slot.record, slot.tables
        wanted = [self.null] * 4 if arrays is None else [*tables, self.null, self.null]
        record.d_weight_ih, record.d_weight_hh, record.d_bias_ih, record.d_bias_hh = wanted[:4]
        if arrays is not None:
            from_buffer, void, each = self.from_buffer, self.void, len(tables)
            for n, array in enumerate(arrays):
                tables[n % each][n // each] = from_buffer(void, array)


def packed_weights(template: Template, problem: Problem) -> Block:
    """Return the weights rearranged once for all forms of a net that is frozen."""
    cache = {} if problem.cache is None else problem.cache
    if "packed" not in cache:
        packed = Block(template.size("packed"))
        template.record.packed_bytes = packed.size
        check(template.lib.rf_pack(template.record, packed.pointer), template.variant)
        cache["packed"] = packed
    found: Block = cache["packed"]
    return found
