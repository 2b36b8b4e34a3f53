"""Where arrays lie in memory: the same values in every allowed layout, or beside a page that may not be touched."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rnnfast.problem import Array

SEQUENCES = ("x", "y", "dy", "dx")


@dataclass(frozen=True)
class Layout:
    """Where arrays lie in memory: functions that return the same values in another place."""

    sequences: Callable[[Array], Array] = np.copy
    """For x, y, dy and dx, whose T and B strides are free."""
    dense: Callable[[Array], Array] = np.copy
    """For everything else."""

    def place(self, name: str, a: Array) -> Array:
        """The array of this name, put in its place."""
        return (self.sequences if name in SEQUENCES else self.dense)(a)


DENSE = Layout()


def batch_first(a: Array) -> Array:
    """The same values; a sequence (T, B, K) lies in memory as (B, T, K), the rest as before."""
    return a.swapaxes(0, 1).copy().swapaxes(0, 1) if a.ndim == 3 else a.copy()


def reversed_strides(a: Array) -> Array:
    """The same values; sequences have negative strides along T and B."""
    return a[::-1, ::-1].copy()[::-1, ::-1]


def gaps_between_rows(a: Array) -> Array:
    """The same values; rows of the last axis lie apart, with NaN between them."""
    wide = np.full((*a.shape[:-1], a.shape[-1] + 3), np.nan, a.dtype)
    wide[..., : a.shape[-1]] = a
    return wide[..., : a.shape[-1]]


LAYOUTS = {
    "dense": DENSE,
    "batch first": Layout(sequences=batch_first),
    "reversed": Layout(sequences=reversed_strides),
    "gaps": Layout(sequences=gaps_between_rows),
}


def before_guard_page(a: Array) -> Array:
    """The same values; the last byte is followed by a page that may not be touched."""
    return _guarded(a, at_end=True)


def after_guard_page(a: Array) -> Array:
    """The same values; the first byte follows a page that may not be touched."""
    return _guarded(a, at_end=False)


def _guarded(a: Array, at_end: bool) -> Array:
    page, pages = mmap.PAGESIZE, -(-a.nbytes // mmap.PAGESIZE)
    memory = mmap.mmap(-1, (pages + 2) * page)
    libc = ctypes.CDLL(None, use_errno=True)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for guard in (address, address + (pages + 1) * page):
        if libc.mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(page), 0):
            raise OSError(ctypes.get_errno(), "mprotect refused to protect a guard page")
    offset = (pages + 1) * page - a.nbytes if at_end else page
    placed = np.frombuffer(memory, a.dtype, a.size, offset).reshape(a.shape)
    placed[...] = a
    return placed
