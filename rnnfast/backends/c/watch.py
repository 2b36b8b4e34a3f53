"""Arrays that anyone may change in place: whether they surely are what they were, asked in one call of C."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rnnfast.backends.c.library import is_built, library
from rnnfast.problem import Array

AXES = 3
"""The most that an array may have: as in csrc/python/arrays.h."""


def unchanged(arrays: Sequence[Array], *, writeable: bool = False) -> Callable[[], bool] | None:
    """Return a function that says whether arrays still lie where they lie now, dense, of the same dtypes and shapes.

    `writeable`: and may be written to. It goes by address and keeps no array alive: they must outlive its use. None
    where the C library is missing, or an array is not dense.
    """
    item = arrays[0].itemsize
    dense = all(array.flags.c_contiguous and array.itemsize == item and array.ndim <= AXES for array in arrays)
    if not is_built() or not dense:
        return None
    ffi, lib = library()
    ids, numbers = ffi.new("uintptr_t[]", [id(array) for array in arrays]), []
    for array in arrays:
        address = int(ffi.cast("intptr_t", lib.array_data(id(array))))
        numbers += [address, id(array.dtype), array.ndim, *(*array.shape, 0, 0, 0)[:AXES]]
    forms, arrays_are, count = ffi.new("intptr_t[]", numbers), lib.arrays_are, len(arrays)
    return lambda: bool(arrays_are(count, ids, forms, item, writeable))
