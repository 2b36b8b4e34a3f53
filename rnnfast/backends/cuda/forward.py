"""Forward through time as one launch of resident blocks (blocks.py)."""

from __future__ import annotations

from typing import Any

from rnnfast.backends.cuda.blocks import Block, multiplier, number_of, waiter
from rnnfast.backends.cuda.cells import dropped, past
from rnnfast.backends.cuda.shapes import Cell, Phase


def weights_holder(cuda: Any, block: Block, phase: Phase, depth: int) -> Any:
    """Return what fills this thread's weights: part of the rows of W_hh that make one unit's gates."""
    lanes, gate, count, number = block.lanes, phase.first, phase.count, number_of(block)

    def hold(weights, weight, first_unit):
        lane, unit = cuda.threadIdx.x % lanes, first_unit + cuda.threadIdx.x // lanes
        size = weight.shape[1]
        for o in range(count):
            for k in range(depth):
                column = number(k, lane)
                inside = unit < size and column < size
                weights[o * depth + k] = weight[(gate + o) * size + unit, column] if inside else 0

    return cuda.jit(device=True, forceinline=True)(hold)


def phase_runner(cuda: Any, real: Any, block: Block, phase: Phase, depth: int, *, second: bool) -> Any:
    """Return what makes one product of a step, and what follows it, for this block's units of entries [start, stop)."""
    units, entries, threads, outputs = block.units, block.entries, block.threads, phase.count
    length, apply, multiply = block.lanes * depth, phase.forward, multiplier(cuda, real, block, outputs, depth)

    def run(weights, vector, sums, start, stop, first_unit, plan, state):
        _, rows, previous = plan
        _, h0, _, mask, operand, _, h = state
        size, thread = h.shape[1], cuda.threadIdx.x
        for first in range(start, stop, entries):
            count = min(entries, stop - first)
            for i in range(thread, count * length, threads):
                e, k = first + i // length, i % length
                if k >= size:
                    vector[i] = 0
                elif second:
                    vector[i] = operand[e, k]
                else:
                    vector[i] = dropped(past(h, h0, previous[e], rows[e], k), mask, rows[e], k)
            cuda.syncthreads()
            multiply(weights, vector, sums, count)
            cuda.syncthreads()
            for i in range(thread, count * units, threads):
                s, unit = i // units, i % units
                e, j = first + s, first_unit + unit
                if j < size:
                    apply(e, j, rows[e], previous[e], sums, s * outputs * units + unit, units, state)

    return cuda.jit(device=True, forceinline=True)(run)


def forward_kernel(cuda: Any, real: Any, cell: Cell, block: Block, depth: int) -> Any:
    """Return the kernel, for hidden sizes that `depth` numbers of each lane cover.

    plan: (bounds, rows, previous). Entries of visit v and group g are [bounds[v, g], bounds[v, g + 1]), each a row of
    the batch, `rows`, and the entry before it of that row, `previous`. weight: W_hh (G H, H). state: see cells.py.
    counters: zeros, one a group. members: blocks of a group.
    """
    two, first, last = len(cell.phases) > 1, cell.phases[0], cell.phases[-1]
    words, more_words = first.count * depth, last.count * depth if two else 1
    vector_size, sums_size = block.entries * block.lanes * depth, block.entries * first.count * block.units
    units, wait = block.units, waiter(cuda)
    hold, hold_more = (weights_holder(cuda, block, phase, depth) for phase in (first, last))
    run = phase_runner(cuda, real, block, first, depth, second=False)
    run_more = phase_runner(cuda, real, block, last, depth, second=True)

    def kernel(plan, weight, state, counters, members):
        cuda.cg.this_grid()  # so that all blocks run at once
        bounds = plan[0]
        group, first_unit = cuda.blockIdx.x // members, cuda.blockIdx.x % members * units
        weights, more = cuda.local.array(words, real), cuda.local.array(more_words, real)
        vector, sums = cuda.shared.array(vector_size, real, alignment=16), cuda.shared.array(sums_size, real)
        hold(weights, weight, first_unit)
        if two:
            hold_more(more, weight, first_unit)
        turn = 0
        for v in range(bounds.shape[0]):
            start, stop = bounds[v, group], bounds[v, group + 1]
            if start < stop:
                run(weights, vector, sums, start, stop, first_unit, plan, state)
                turn += 1
                wait(counters, group, members, turn)
                if two:
                    run_more(more, vector, sums, start, stop, first_unit, plan, state)
                    turn += 1
                    wait(counters, group, members, turn)

    return kernel
