"""Sequences (T, B, ·) and states (L·D, B, H) as the kernels of this tier take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda.copies import copied
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.gemm.products import Matrix

WRAPS = 2**64
"""Kernels add distances modulo this."""
FAR = 2**33
"""Bytes that products, which count numbers in 32 bits, do not reach."""
NOTHING = (0, 0)
"""An array that is not there: its address, how far on that of the second direction lies."""


def rows_of_sequence(a: DeviceArray) -> tuple[Matrix, int]:
    """Return a sequence as T B rows, and their period; 0: they lie evenly."""
    (steps, batch, width), (step, row, _) = a.shape, a.strides
    if steps <= 1 or batch <= 1 or step == batch * row:
        inner = row if batch > 1 else step if steps > 1 else 4 * width
        return Matrix(a.address, inner // 4), 0
    return Matrix(a.address, row // 4, step // 4), batch


def is_near(a: DeviceArray) -> bool:
    """Return whether products reach all of a sequence's numbers."""
    return sum(n * abs(stride) for n, stride in zip(a.shape, a.strides, strict=True)) < FAR


def fills(a: DeviceArray) -> bool:
    """Return whether a sequence's numbers are all that lies between its address and the last of them.

    >>> strides, real = ((24, 8, 4), (8, 32, 4), (48, 8, 4)), np.dtype("f4")
    >>> [fills(DeviceArray(0, (4, 3, 2), each, real, None)) for each in strides]
    [True, True, False]
    """
    end = a.dtype.itemsize
    for stride, length in sorted(zip(a.strides, a.shape, strict=True)):
        if length != 1:
            if stride != end:
                return False
            end *= length
    return True


def near(call: DeviceCall, a: DeviceArray) -> DeviceArray:
    """Return a sequence, copied where its numbers lie too far from one another for products."""
    return a if is_near(a) else copied(call, a)


def pair(address: int, away: int) -> tuple[int, int]:
    """Return an array's address and how far on that of the second direction lies; of none that is nowhere, too."""
    return (address, away) if address else NOTHING


def of_directions(addresses: Sequence[int]) -> tuple[int, int]:
    """Return the first address, and how far on the second is.

    >>> of_directions([4096, 4000]) == (4096, 2**64 - 96)
    True
    """
    return addresses[0], (addresses[-1] - addresses[0]) % WRAPS


def of_layer(a: Any, number: int, directions: int) -> tuple[int, int]:
    """Return where a layer's states lie, and how far on those of its second direction."""
    if a is None:
        return NOTHING
    return a.address + number * directions * a.strides[0], a.strides[0] % WRAPS
