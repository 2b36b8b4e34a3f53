"""Memory that the caller of librnnfast owns: aligned blocks of bytes, and each thread's scratch."""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np

from rnnfast.backends.c.library import library
from rnnfast.problem import Array

ALIGNMENT = 64
_KEPT_WORKSPACE = 64 << 20  # bytes; a larger workspace is given back after the call
_this_thread = threading.local()


class Block:
    """At least `size` uninitialised bytes from `pointer` on, a multiple of 64.

    Raises MemoryError where they cannot be had.
    """

    __slots__ = ("_offset", "buffer", "pointer", "size")

    def __init__(self, size: int) -> None:
        if size > sys.maxsize - ALIGNMENT:
            raise MemoryError(f"{size} bytes of working memory are needed: cut the batch or the sequence into parts")
        ffi, _ = library()
        self.buffer, self.size = np.empty(size + ALIGNMENT, np.uint8), size
        start = ffi.from_buffer("char *", self.buffer)  # keeps the buffer alive
        self._offset = -int(ffi.cast("uintptr_t", start)) % ALIGNMENT
        self.pointer = start + self._offset

    @property
    def bytes(self) -> Array:
        """View the bytes as an array."""
        return self.buffer[self._offset :][: self.size]

    def __deepcopy__(self, memo: dict[int, Any]) -> Block:
        copy = Block(self.size)
        library()[0].memmove(copy.pointer, self.pointer, self.size)
        return copy


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
