"""Rows that advance together, step by step or many steps at a time, over a handle of librnnfast."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from rnnfast.backends.c import followers
from rnnfast.backends.c.handle import Handle, handle_of
from rnnfast.backends.c.library import check, library
from rnnfast.backends.c.memory import Block, workspace
from rnnfast.backends.stepping import IN_USE, Hold
from rnnfast.problem import CELLS, Array, Problem

INDEX = np.dtype(np.int64)


def _by_items(name: str, array: Array) -> tuple[int, int]:
    """Return the items from step to step and from row to row of a sequence (T, B, ...).

    Raises ValueError where items do not divide its strides.
    """
    by_step, by_row = array.strides[:2]
    size = array.itemsize
    if by_step % size or by_row % size:
        raise ValueError(f"{name} has strides {array.strides}, no multiples of {size} bytes: pass a copy")
    return by_step // size, by_row // size


def _later(stream: Any, x: int, y: int) -> int:
    """Make no step, as for arrays that must be looked at: whoever looks calls `held`, which changes the net."""
    return 0


class Stepping:
    """States in memory that the library lays out, and the net for as many threads as calls may use at the moment.

    `dtype` is that of outputs and states.
    """

    def __init__(self, problem: Problem) -> None:
        ffi, lib = library()
        self._problem, self._batch, self.dtype = problem, problem.batch, problem.dtype
        self._threads, handle = lib.rf_get_num_threads, handle_of(problem)
        self._state = handle.state(self._batch)
        self._sequence = ffi.new("rf_sequence *", {"struct_size": ffi.sizeof("rf_sequence"), "batch": self._batch})
        self._sequence.state = self._state.pointer
        self._use(handle)
        if self._batch > 1:  # a step of one row runs on one thread in any case
            followers.add(self)
            self.recount()  # another thread may have set it meanwhile

    def _use(self, handle: Handle) -> None:
        """Run this net from now on, on the states as they are: how they lie does not depend on threads."""
        ffi, lib = library()
        sizes, scratch = handle.sizes, Block(handle.workspace_bytes(1, self._batch))
        x_dtype = INDEX if sizes.takes_indices else self.dtype
        widths = self._batch, sizes.input_size, sizes.output_size, x_dtype.itemsize, self.dtype.itemsize
        ids = id(np.ndarray), id(x_dtype), id(self.dtype)
        self._needed = -1, 0  # steps of the last chunk, -1: none yet, and the bytes of scratch that these take
        made = lib.array_stream_new(handle.net, *widths, *ids, self._state.pointer, scratch.pointer)
        if made == ffi.NULL:
            raise MemoryError("there is no memory for a stream")
        stream, made_for = ffi.gc(made, lib.array_stream_free), sizes.num_threads
        # At once, with no call between: what a signal interrupts never steps by a net that was given back.
        self._handle, self._scratch, self._made_for, self._stream = handle, scratch, made_for, stream
        self._step = lib.array_stream_step

    def recount(self) -> None:
        """Make no quick steps while calls may use another number of threads than this net."""
        _, lib = library()
        self._step = lib.array_stream_step if self._threads() == self._made_for else _later

    def _follow(self) -> None:
        """Change the net where calls may use another number of threads than before. Raises as `held` and `check`."""
        if self._threads() == self._made_for:
            return
        _, lib = library()
        if not lib.array_stream_take(before := self._stream):
            raise RuntimeError(IN_USE)
        try:
            self._use(handle_of(self._problem))
        except BaseException:
            lib.array_stream_give(before)
            raise
        # It stays taken: a thread that still has it is told that these rows are in use, by a stream that it cannot see.

    def quick(self, x: Array, y: Array) -> bool:
        """Make a step where both are plain arrays of the right shape and dtype that lie apart; whether it was made.

        Raises RuntimeError where another thread uses these rows.
        """
        done: int = self._step(self._stream, id(x), id(y))
        if done < 0:
            raise RuntimeError(IN_USE)
        return done > 0

    def memory(self) -> tuple[int, int, int, int, Array, Array, Any]:
        """Return what rf_net_step takes: the net's address, the batch, the numbers of a row of x and of y, the bytes of
        the states and of the scratch; and whose they are, which must live as long as they are used.
        """
        self._follow()
        ffi, handle = library()[0], self._handle
        sizes, net = handle.sizes, int(ffi.cast("uintptr_t", handle.net))
        return net, self._batch, sizes.input_size, sizes.output_size, self._state.bytes, self._scratch.bytes, handle

    def held(self) -> Hold:
        """Keep other threads out. Raises RuntimeError where one is at work."""
        self._follow()
        (_, lib), stream = library(), self._stream
        return Hold(partial(lib.array_stream_take, stream), partial(lib.array_stream_give, stream))

    def run(self, x: Array, y: Array) -> None:
        """Advance by the steps of x (T, B, I), or of indices (T, B), writing y (T, B, O); last axes have no gaps."""
        sequence, steps = self._sequence, len(x)
        if self._needed[0] != steps:
            self._needed = steps, self._handle.workspace_bytes(steps, self._batch)
        scratch = workspace(self._needed[1])
        sequence.steps, sequence.workspace = steps, scratch.pointer
        sequence.x_stride_t, sequence.x_stride_b = _by_items("x", x)
        sequence.y_stride_t, sequence.y_stride_b = _by_items("y", y)
        lib = self._handle.lib
        sequence.x, sequence.y = lib.array_data(id(x)), lib.array_data(id(y))
        check(lib.rf_net_forward(self._handle.net, sequence))

    def read(self) -> list[Array]:
        """Return copies of the states, (L, B, H) each, of all recurrent parts in turn."""
        return [array for part in range(self._handle.sizes.recurrent_parts) for array in self._read(part)]

    def _read(self, part: int) -> list[Array]:
        arrays = self._empty(part)
        check(self._handle.lib.rf_net_state_read(self._handle.net, part, *self._where(), *self._pointers(arrays)))
        return arrays

    def write(self, values: Sequence[Array | None]) -> None:
        """Take over states; None: zeros."""
        left = list(values)
        for part in range(self._handle.sizes.recurrent_parts):
            arrays = self._empty(part)
            for array in arrays:
                value = left.pop(0)
                array[...] = 0 if value is None else value
            check(self._handle.lib.rf_net_state_write(self._handle.net, part, *self._where(), *self._pointers(arrays)))

    def reset(self, rows: Array | None) -> None:
        """Begin again, every row or those where `rows` (B,) uint8 is not zero."""
        ffi, lib = library()
        flags = ffi.NULL if rows is None else ffi.from_buffer("uint8_t *", np.ascontiguousarray(rows))
        check(lib.rf_net_state_reset(self._handle.net, *self._where(), flags))

    def copy(self) -> Stepping:
        """Return another of the same net and with the same states."""
        twin = type(self)(self._problem)
        twin._state.bytes[...] = self._state.bytes
        return twin

    def _where(self) -> tuple[int, Any]:
        return self._batch, self._state.pointer

    def _empty(self, part: int) -> list[Array]:
        """Return arrays for the states of a recurrent part."""
        ffi, lib = library()
        cell, layers, directions = (ffi.new("int32_t *") for _ in range(3))
        sizes = ffi.new("int64_t[2]")
        check(lib.rf_net_part_state_size(self._handle.net, part, sizes))
        check(lib.rf_net_part(self._handle.net, part, cell, layers, directions, sizes + 1))
        states = CELLS[ffi.string(lib.rf_cell_name(cell[0])).decode()].states
        shape = layers[0] * directions[0], self._batch
        return [np.empty((*shape, size), self.dtype) for size in list(sizes)[: len(states)]]

    def _pointers(self, arrays: list[Array]) -> list[Any]:
        """Return the addresses of h and c, NULL for a c that is not there."""
        ffi = library()[0]
        pointers = [ffi.from_buffer("void *", array) for array in arrays]
        return (pointers + [ffi.NULL])[:2]
