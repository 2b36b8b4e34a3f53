"""Arrays that anyone may change in place: whether they surely are what they were, asked in one call of C."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rnnfast.backends.c.library import library, reason
from rnnfast.problem import Array

AXES = 3
"""The most that an array may have: as in csrc/python/arrays.h."""


def unchanged(arrays: Sequence[Array], *, writeable: bool = False) -> Callable[[], bool]:
    """Return a function that says whether arrays of one dtype surely are still dense and of these dtype and shapes.

    `writeable`: and may be written to. It goes by address and keeps no array alive: they must outlive its use. Where
    the C library is missing, or an array is not dense, it never is sure.
    """
    dtype = arrays[0].dtype
    dense = all(array.flags.c_contiguous and array.dtype is dtype and array.ndim <= AXES for array in arrays)
    if reason() is not None or not dense:
        return lambda: False
    ffi, lib = library()
    ids = ffi.new("uintptr_t[]", [id(array) for array in arrays])
    forms = [n for array in arrays for n in (array.ndim, *array.shape, 0, 0, 0)[: 1 + AXES]]
    known = ffi.new("intptr_t[]", forms)
    arrays_are, count, dtype_id, item = lib.arrays_are, len(arrays), id(dtype), dtype.itemsize
    return lambda: bool(arrays_are(count, ids, known, dtype_id, item, writeable))
