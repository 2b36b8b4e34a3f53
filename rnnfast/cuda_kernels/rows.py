"""Kernels that move rows between (T B) places and entries, one thread a number; and tier C's steps."""

from __future__ import annotations

from typing import Any

from rnnfast.cuda_kernels.cells import dropped, past
from rnnfast.cuda_kernels.gradients import beginning, ending, reset
from rnnfast.cuda_kernels.shapes import Cell, Phase


def pick_kernel(cuda: Any, add: bool) -> Any:
    """to[i, column + j] (+)= source[index[i], from + j], j below `width`; zeros where the index is negative."""

    def kernel(source, first, index, to, column, width):
        n = cuda.grid(1)
        i, j = n // width, n % width
        if i < index.shape[0]:
            value = source[index[i], first + j] if index[i] >= 0 else source.dtype.type(0)
            if add:
                to[i, column + j] += value
            else:
                to[i, column + j] = value

    return kernel


def held_kernel(cuda: Any) -> Any:
    """to[e, j] = sum of source[place, first + j] over an entry's place and those `step` apart where it is repeated."""

    def kernel(source, first, index, repeats, step, to):
        n = cuda.grid(1)
        e, j = n // to.shape[1], n % to.shape[1]
        if e < index.shape[0]:
            value = source.dtype.type(0)
            for k in range(repeats[e]):
                value += source[index[e] + k * step, first + j]
            to[e, j] = value

    return kernel


def scale_kernel(cuda: Any) -> Any:
    """a *= factors, number by number."""

    def kernel(a, factors):
        n = cuda.grid(1)
        i, j = n // a.shape[1], n % a.shape[1]
        if i < a.shape[0]:
            a[i, j] *= factors[i, j]

    return kernel


def fill_kernel(cuda: Any) -> Any:
    """Every row of `to` becomes `row`."""

    def kernel(row, to):
        n = cuda.grid(1)
        if n < to.shape[0] * to.shape[1]:
            to[n // to.shape[1], n % to.shape[1]] = row[n % to.shape[1]]

    return kernel


def operand_kernel(cuda: Any) -> Any:
    """to[i] = a state before entry first + i, times a mask; table: it at the start, after entries, the mask."""

    def kernel(first, plan, table, to):
        _, rows, previous = plan
        start, after, mask = table
        n = cuda.grid(1)
        i, j = n // to.shape[1], n % to.shape[1]
        if i < to.shape[0]:
            b = rows[first + i]
            to[i, j] = dropped(past(after, start, previous[first + i], b, j), mask, b, j)

    return kernel


def forward_step_kernel(cuda: Any, phase: Phase) -> Any:
    """What follows a product of forward, for `count` entries from `first` on: sums (count, gates of the phase x H)."""
    apply, outputs = phase.forward, phase.count

    def kernel(first, count, plan, state, sums):
        _, rows, previous = plan
        size = state[6].shape[1]
        n = cuda.grid(1)
        i, j = n // size, n % size
        if i < count:
            e = first + i
            apply(e, j, rows[e], previous[e], sums, i * outputs * size + j, size, state)

    return kernel


def begin_step_kernel(cuda: Any, cell: Cell) -> Any:
    """The first part of a step of backward."""
    begin = beginning(cell)

    def kernel(first, count, plan, state, dy, grads):
        _, rows, previous = plan
        size = state[6].shape[1]
        n = cuda.grid(1)
        i, j = n // size, n % size
        if i < count:
            begin(first + i, j, rows[first + i], previous[first + i], dy, grads, state)

    return kernel


def end_step_kernel(cuda: Any, cell: Cell, phase: Phase) -> Any:
    """What follows a product of backward: sums (count, H)."""
    after = ending(cell) if phase is cell.phases[0] else reset

    def kernel(first, count, plan, state, grads, sums):
        _, rows, previous = plan
        size = state[6].shape[1]
        n = cuda.grid(1)
        i, j = n // size, n % size
        if i < count:
            after(first + i, j, rows[first + i], previous[first + i], sums[i * size + j], grads, state)

    return kernel
