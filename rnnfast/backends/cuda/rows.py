"""Kernels that move rows between the positions (t, b) of sequences and entries, one thread a number."""

from __future__ import annotations

from typing import Any

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda.cells import dropped, past
from rnnfast.backends.cuda.device_call import DeviceCall


def pick_kernel(cuda: Any, add: bool) -> Any:
    """Return the kernel of to[i, column + j] (+)= source[index[i], first + j], j below `width`; zeros for index < 0.

    `source` and `to` are (·, B, ·) arrays with any strides, in which position i stands at (i // B, i % B).
    """

    def kernel(source, first, index, to, column, width):
        n = cuda.grid(1)
        i, j = n // width, n % width
        if i < index.shape[0]:
            position, batch, to_batch = index[i], source.shape[1], to.shape[1]
            value = source[position // batch, position % batch, first + j] if position >= 0 else source.dtype.type(0)
            if add:
                to[i // to_batch, i % to_batch, column + j] += value
            else:
                to[i // to_batch, i % to_batch, column + j] = value

    return kernel


def held_kernel(cuda: Any) -> Any:
    """Return the kernel of to[e, j] = the sum of source[i, first + j] over the positions i that repeat an entry.

    They are `repeats[e]` from index[e] on, `step` apart.

    `source` as of `pick_kernel`.
    """

    def kernel(source, first, index, repeats, step, to):
        n = cuda.grid(1)
        e, j = n // to.shape[1], n % to.shape[1]
        if e < index.shape[0]:
            value, batch = source.dtype.type(0), source.shape[1]
            for k in range(repeats[e]):
                position = index[e] + k * step
                value += source[position // batch, position % batch, first + j]
            to[e, j] = value

    return kernel


def scale_kernel(cuda: Any) -> Any:
    """Return the kernel of a *= factors, number by number."""

    def kernel(a, factors):
        n = cuda.grid(1)
        i, j = n // a.shape[1], n % a.shape[1]
        if i < a.shape[0]:
            a[i, j] *= factors[i, j]

    return kernel


def bias_kernel(cuda: Any) -> Any:
    """Return the kernel that makes every row of gates the biases.

    They are, of slot s, b_ih[s], for the first `inputs`, and b_hh[gate_of[s]].
    """

    def kernel(b_ih, b_hh, inputs, gate_of, size, gates):
        n = cuda.grid(1)
        e, i = n // gates.shape[1], n % gates.shape[1]
        if e < gates.shape[0]:
            slot, j = i // size, i % size
            value = gates.dtype.type(0)
            if b_ih.shape[0] > 0 and slot < inputs:
                value += b_ih[i]
            if b_hh.shape[0] > 0 and gate_of[slot] >= 0:
                value += b_hh[gate_of[slot] * size + j]
            gates[e, i] = value

    return kernel


def operand_kernel(cuda: Any) -> Any:
    """Return the kernel of to[i] = a state before entry first + i, times a mask.

    table: the state at the start, that after entries, the mask.
    """

    def kernel(first, plan, table, to):
        _, rows, previous = plan
        start, after, mask = table
        n = cuda.grid(1)
        i, j = n // to.shape[1], n % to.shape[1]
        if i < to.shape[0]:
            b = rows[first + i]
            to[i, j] = dropped(past(after, start, previous[first + i], b, j), mask, b, j)

    return kernel


def pick(
    call: DeviceCall,
    source: DeviceArray,
    index: DeviceArray,
    to: DeviceArray,
    *,
    column: int = 0,
    width: int | None = None,
    first: int = 0,
    add: bool = False,
) -> None:
    """Run the kernel of that name on arrays of two axes, or three; `width` None: all columns of `to`."""
    width = to.shape[-1] if width is None else width
    source, to = (a if a.ndim == 3 else a[:, None] for a in (source, to))
    call.launch_over(index.shape[0] * width, pick_kernel, (add,), source, first, index, to, column, width)
