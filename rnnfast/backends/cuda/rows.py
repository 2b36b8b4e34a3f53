"""Kernels that move rows between the positions (t, b) of sequences and entries, one thread a number."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda.arrays import array_at, present, strided_at
from rnnfast.backends.cuda.cells import dropped, past
from rnnfast.backends.cuda.counted import times
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.driver.scalars import address, int64


class Rows(NamedTuple):
    """Rows (T, B, ·) as kernels take them: the first one's address, their numbers, the numbers from one to the next.

    >>> table(4096, 6, 3)
    Rows(address=4096, steps=6, batch=1, step=3, row=3)
    """

    address: int
    steps: int
    batch: int
    step: int
    row: int


def rows_of(a: DeviceArray, column: int = 0) -> Rows:
    """Return the rows of an array of three axes, from a column on."""
    item, (step, row, _) = a.dtype.itemsize, a.strides
    return Rows(a.address + column * item, a.shape[0], a.shape[1], step // item, row // item)


def table(start: int, count: int, width: int) -> Rows:
    """Return the rows of a C-contiguous array (count, width) at an address."""
    return Rows(start, count, 1, width, width)


def pick_kernel(cuda: Any, real: Any, add: bool) -> Any:
    """Return the kernel of to[i] (+)= source[index[i]], `width` numbers of a row; zeros for index < 0.

    Position i of `source` and `to`, rows (·, B, ·), stands at (i // B, i % B).
    """

    def kernel(
        source: address, steps: int64, batch: int64, step: int64, row: int64, index: address, count: int64,
        to: address, to_steps: int64, to_batch: int64, to_step: int64, to_row: int64, width: int64,
    ):  # fmt: skip
        n = cuda.grid(1)
        i, j = n // width, n % width
        if i < count:
            rows = strided_at(source, (steps, batch, width), (step, row, 1), real)
            found = strided_at(to, (to_steps, to_batch, width), (to_step, to_row, 1), real)
            position = array_at(index, (count,), np.int64)[i]
            value = rows[position // batch, position % batch, j] if position >= 0 else real(0)
            if add:
                found[i // to_batch, i % to_batch, j] += value
            else:
                found[i // to_batch, i % to_batch, j] = value

    return kernel


def held_kernel(cuda: Any, real: Any) -> Any:
    """Return the kernel of to[e] = the sum of source[i] over the positions i that repeat an entry, `width` numbers.

    They are `repeats[e]` from index[e] on, `apart` from one to the next. `source` as of `pick_kernel`.
    """

    def kernel(
        source: address, steps: int64, batch: int64, step: int64, row: int64, index: address, repeats: address,
        apart: int64, count: int64, to: address, width: int64,
    ):  # fmt: skip
        n = cuda.grid(1)
        e, j = n // width, n % width
        if e < count:
            rows, value = strided_at(source, (steps, batch, width), (step, row, 1), real), real(0)
            first = array_at(index, (count,), np.int64)[e]
            for k in range(array_at(repeats, (count,), np.int64)[e]):
                position = first + k * apart
                value += rows[position // batch, position % batch, j]
            array_at(to, (count, width), real)[e, j] = value

    return kernel


def scale_kernel(cuda: Any, real: Any) -> Any:
    """Return the kernel of a *= factors, number by number."""

    def kernel(a: address, factors: address, count: int64):
        i = cuda.grid(1)
        if i < count:
            array_at(a, (count,), real)[i] *= array_at(factors, (count,), real)[i]

    return kernel


def bias_kernel(cuda: Any, real: Any) -> Any:
    """Return the kernel that makes every row of gates the biases.

    They are, of slot s, b_ih[s], for the first `inputs`, and b_hh[gate_of[s]].
    """

    def kernel(
        b_ih: address, b_hh: address, inputs: int64, gate_of: address, slots: int64, size: int64, count: int64,
        gates: address,
    ):  # fmt: skip
        n, width = cuda.grid(1), slots * size
        if n < count * width:
            i = n % width
            slot, j, value = i // size, i % size, real(0)
            gate = array_at(gate_of, (slots,), np.int64)[slot]
            if b_ih != 0 and slot < inputs:
                value += array_at(b_ih, (inputs * size,), real)[i]
            if b_hh != 0 and gate >= 0:
                value += array_at(b_hh, (inputs * size,), real)[gate * size + j]
            array_at(gates, (count * width,), real)[n] = value

    return kernel


def operand_kernel(cuda: Any, real: Any) -> Any:
    """Return the kernel of to[i] = a state before entry first + i of `entries`, times a mask.

    `rows` says of which row an entry is; 0: number first + i. `start` (B, H) is the state at the start, `after` (n, H)
    that after entries; `start` and `mask` may be absent.
    """

    def kernel(
        first: int64, count: int64, rows: address, previous: address, entries: int64, n: int64, batch: int64,
        size: int64, start: address, after: address, mask: address, to: address,
    ):  # fmt: skip
        at = cuda.grid(1)
        i, j = at // size, at % size
        if i < count:
            b = array_at(rows, (entries,), np.int32)[first + i] if rows != 0 else first + i
            before = array_at(previous, (entries,), np.int32)[first + i]
            begin = array_at(start, (present(start, batch), size), real)
            factors = array_at(mask, (present(mask, batch), size), real)
            value = past(array_at(after, (n, size), real), begin, before, b, j)
            array_at(to, (count, size), real)[i, j] = dropped(value, factors, b, j)

    return kernel


def pick(call: DeviceCall, source: Rows, index: int, count: int, to: Rows, width: int, *, add: bool = False) -> None:
    """Run the kernel of that name for `count` positions."""
    call.launch_over(times(count, width), pick_kernel, (call.real, add), *source, index, count, *to, width)
