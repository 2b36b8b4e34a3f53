"""Arrays that anyone may change or bring again: whether they surely are what they were and lie apart, asked of C."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rnnfast.backends.c.library import is_built, library
from rnnfast.problem import Array

States = Sequence[Array | None]
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


def apart(owners: Sequence[Array | None]) -> Callable[..., bool] | None:
    """Return a function that says whether what a backward reads surely lies in other memory than these arrays own.

    It takes x, dy, mask, resets and two sequences of states, at most two each; arrays of type ndarray itself or None.
    Where an array has no owner that is an array, the answer is no. None where that holds for one of `owners`, or the C
    library is missing. They must outlive its use.
    """
    if not is_built() or any(owner is None for owner in owners):
        return None
    ffi, lib = library()
    distinct = {id(owner) for owner in owners}
    ids, count, are_apart, none = ffi.new("uintptr_t[]", [*distinct]), len(distinct), lib.arrays_are_apart, id(None)

    def ask(
        x: Array, dy: Array | None, mask: Array | None, resets: Array | None, start: States, d_final: States
    ) -> bool:
        h0, c0 = (*map(id, start), none, none)[:2] if start else (none, none)
        dh_n, dc_n = (*map(id, d_final), none, none)[:2] if d_final else (none, none)
        return bool(are_apart(count, ids, id(x), id(dy), id(mask), id(resets), h0, c0, dh_n, dc_n))

    return ask
