"""Room for what is packed during one call, kept from call to call: fresh pages cost more time than packing does."""

from __future__ import annotations

import threading
import weakref
from typing import Any

import numpy as np

from rnnfast.problem import Array

LEAST, MOST = 1 << 16, 64 << 20
"""Bytes; of what is smaller there is always some at hand, and what is larger is given back."""
_this_thread = threading.local()


def scratch(use: str, count: int, dtype: np.dtype[Any]) -> Array:
    """So many numbers, which stay this caller's until the array returned is gone; `use` tells kinds of room apart."""
    size = count * dtype.itemsize
    if not LEAST <= size <= MOST:
        return np.empty(count, dtype)
    kept = _this_thread.__dict__
    buffer, taken = kept.get(use, (None, None))
    if buffer is None or buffer.nbytes < size or taken() is not None:
        buffer = np.empty(size, np.uint8)
    room: Array = buffer[:size].view(dtype)
    kept[use] = buffer, weakref.ref(room)
    return room
