"""Tier C's kernels: what a step does before and after its products, one thread a number of its entries."""

from __future__ import annotations

from typing import Any

from rnnfast.backends.cuda.gradients import beginning, ending, reset
from rnnfast.backends.cuda.shapes import Cell, Phase


def forward_step_kernel(cuda: Any, phase: Phase) -> Any:
    """Return the kernel of what follows a product of forward, for `count` entries from `first` on.

    sums: (count, gates of the phase x H).
    """
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
    """Return the kernel of the first part of a step of backward."""
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
    """Return the kernel of what follows a product of backward; sums: (count, H)."""
    after = ending(cell) if phase is cell.phases[0] else reset

    def kernel(first, count, plan, state, grads, sums):
        _, rows, previous = plan
        size = state[6].shape[1]
        n = cuda.grid(1)
        i, j = n // size, n % size
        if i < count:
            after(first + i, j, rows[first + i], previous[first + i], sums[i * size + j], grads, state)

    return kernel
