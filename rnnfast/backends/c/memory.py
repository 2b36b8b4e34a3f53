"""Memory that the caller of librnnfast owns: aligned blocks of bytes, and each thread's scratch."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from rnnfast.backends.c.library import library
from rnnfast.problem import Array

ALIGNMENT = 64
_KEPT_WORKSPACE = 64 << 20  # bytes; a larger workspace is given back after the call
_this_thread = threading.local()


at: Callable[[int], Any] = ctypes.c_char.from_address
"""Returns what the library takes in an array's place for dense memory at an address: as in an array, the address
follows the head that all objects have. Whose memory it is must outlive its use."""


def address_of(array: Array) -> int:
    """Return where an array's memory begins, which NumPy's `ctypes.data` says more slowly."""
    ffi, lib = library()
    return int(ffi.cast("uintptr_t", lib.array_data(id(array))))


def room(size: int) -> int:
    """Return how long an array of bytes is that has `size` of them from a multiple of 64 on. Raises MemoryError."""
    if size > sys.maxsize - ALIGNMENT:
        raise MemoryError(f"{size} bytes of working memory are needed: cut the batch or the sequence into parts")
    return size + ALIGNMENT


class Block:
    """Memory of at least `size` uninitialised bytes that begin at a multiple of 64, within the array `buffer`.

    Raises MemoryError where they cannot be had.
    """

    __slots__ = ("buffer", "size")

    def __init__(self, size: int) -> None:
        self.buffer, self.size = np.empty(room(size), np.uint8), size

    @property
    def bytes(self) -> Array:
        """View the aligned bytes as an array."""
        first = -address_of(self.buffer) % ALIGNMENT
        return self.buffer[first : first + max(self.size, 1)]

    @property
    def pointer(self) -> Any:
        """Return the address of the first one, for cffi; the block must outlive its use."""
        address = address_of(self.buffer)
        return library()[0].cast("void *", address + -address % ALIGNMENT)


class Reserve(Block):
    """Memory that a recorded run left for backward, and the numbers that backward needs again.

    The library gives every gate and state of a row a line of its own, however few units there are. `shrink` keeps what
    they fill of it, and `grown` lays it out again.
    """

    __slots__ = ("_kept", "dropout_seed", "ragged")

    def __init__(self, buffer: Array, size: int, dropout_seed: int, ragged: tuple[Array | None, ...] | None) -> None:
        self.buffer, self.size, self.dropout_seed, self.ragged = buffer, size, dropout_seed, ragged
        self._kept: Array | None = None

    def shrink(self, units: int, dtype: np.dtype[Any]) -> None:
        """Keep the first so many numbers of every line."""
        self._kept = self._lines(dtype)[:, :units].copy()
        self.buffer = np.empty(0, np.uint8)

    def grown(self) -> Reserve:
        """Return one as the library wrote it, zeros behind the units; this one stays small."""
        kept = self._kept
        if kept is None:
            return self
        grown = Reserve(np.zeros(room(self.size), np.uint8), self.size, self.dropout_seed, self.ragged)
        grown._lines(kept.dtype)[:, : kept.shape[1]] = kept
        return grown

    def _lines(self, dtype: np.dtype[Any]) -> Array:
        return self.bytes.view(dtype).reshape(-1, ALIGNMENT // dtype.itemsize)


def workspace(size: int) -> Block:
    """Return this thread's scratch memory, kept from call to call unless it is large."""
    try:
        kept: Block = _this_thread.workspace
    except AttributeError:
        kept = Block(0)
    if kept.size < size:
        kept = Block(size)
        if size <= _KEPT_WORKSPACE:
            _this_thread.workspace = kept
    return kept
