"""Memory that the caller of librnnfast owns: aligned blocks of bytes, and each thread's scratch."""

from __future__ import annotations

import ctypes
import sys
import threading
from typing import Any

import numpy as np

_ALIGNMENT = 64
_KEPT_WORKSPACE = 64 << 20  # bytes; a larger workspace is given back after the call
_this_thread = threading.local()


class Block:
    """At least `size` uninitialised bytes that begin at a multiple of 64; MemoryError where they cannot be had."""

    made_by: tuple[Any, list[Any]] | None = None
    """Of a reserve: the record of the forward that filled it and what that refers to, for backward to go on from."""

    def __init__(self, size: int) -> None:
        if size > sys.maxsize - _ALIGNMENT:
            raise MemoryError(f"{size} bytes of working memory are needed: cut the batch or the sequence into parts")
        buffer = np.empty(size + _ALIGNMENT, np.uint8)
        # Three times as fast as buffer.ctypes.data.
        start = -ctypes.addressof(ctypes.c_char.from_buffer(buffer.data)) % _ALIGNMENT
        self.bytes = buffer[start : start + max(size, 1)]  # an empty slice would not begin at `start`

    def __deepcopy__(self, memo: dict[int, Any]) -> Block:
        copy = Block(self.bytes.size)
        copy.bytes[:], copy.made_by = self.bytes, self.made_by
        return copy


def workspace(size: int) -> Block:
    """This thread's scratch memory, kept from call to call unless it is large."""
    kept: Block | None = getattr(_this_thread, "workspace", None)
    if kept is None or kept.bytes.size < size:
        kept = Block(size)
        if size <= _KEPT_WORKSPACE:
            _this_thread.workspace = kept
    return kept
