"""Back-propagation through time as one launch of resident blocks (blocks.py)."""

from __future__ import annotations

from typing import Any

from rnnfast.backends.cuda.blocks import Block, multiplier, number_of, waiter
from rnnfast.backends.cuda.gradients import beginning, ending, reset
from rnnfast.backends.cuda.shapes import Cell, Phase


def weights_holder(cuda: Any, block: Block, phase: Phase, depth: int) -> Any:
    """Return what fills this thread's weights: part of one unit's column of a phase's rows of W_hh."""
    lanes, gate, count, number = block.lanes, phase.first, phase.count, number_of(block)

    def hold(weights, weight, first_unit):
        lane, unit = cuda.threadIdx.x % lanes, first_unit + cuda.threadIdx.x // lanes
        size = weight.shape[1]
        for k in range(depth):
            row = number(k, lane)
            inside = unit < size and row < count * size
            weights[k] = weight[gate * size + row, unit] if inside else 0

    return cuda.jit(device=True, forceinline=True)(hold)


def phase_runner(cuda: Any, real: Any, block: Block, phase: Phase, depth: int, after: Any) -> Any:
    """Return what makes the product of entries' gradients with a phase's rows of W_hh, and what follows it.

    Both are for this block's units.
    """
    units, entries, threads = block.units, block.entries, block.threads
    length, multiply = block.lanes * depth, multiplier(cuda, real, block, 1, depth)
    slot, count_gates, unbroken, skipped = phase.slots[0], phase.count, phase.runs[0].count, phase.skipped

    def run(weights, vector, sums, start, stop, first_unit, plan, grads, state):
        _, rows, previous = plan
        gates, h = state[0], state[6]
        size, thread = h.shape[1], cuda.threadIdx.x
        for first in range(start, stop, entries):
            count = min(entries, stop - first)
            for i in range(thread, count * length, threads):
                k = i % length
                column = slot * size + k if k < unbroken * size else (slot + skipped) * size + k
                vector[i] = gates[first + i // length, column] if k < count_gates * size else 0
            cuda.syncthreads()
            multiply(weights, vector, sums, count)
            cuda.syncthreads()
            for i in range(thread, count * units, threads):
                e, j = first + i // units, first_unit + i % units
                if j < size:
                    after(e, j, rows[e], previous[e], sums[i], grads, state)

    return cuda.jit(device=True, forceinline=True)(run)


def backward_kernel(cuda: Any, real: Any, cell: Cell, block: Block, depth: int, more_depth: int) -> Any:
    """Return the kernel, as `forward_kernel`; dy (n, H) has every entry's dL/dh' by way of y, grads: see gradients.py.

    `depth` numbers of each lane cover the gates of the first phase, `more_depth` those of the second, if there is one.
    """
    two, first, last = len(cell.phases) > 1, cell.phases[0], cell.phases[-1]
    more_words = more_depth if two else 1
    vector_size, sums_size = block.entries * block.lanes * max(depth, more_depth), block.entries * block.units
    units, threads, wait, begin = block.units, block.threads, waiter(cuda), beginning(cell)
    hold, hold_more = weights_holder(cuda, block, first, depth), weights_holder(cuda, block, last, more_depth)
    run = phase_runner(cuda, real, block, first, depth, ending(cell))
    run_more = phase_runner(cuda, real, block, last, more_depth, reset)

    def kernel(plan, weight, state, dy, grads, counters, members):
        cuda.cg.this_grid()  # so that all blocks run at once
        bounds, rows, previous = plan
        size, thread = weight.shape[1], cuda.threadIdx.x
        group, first_unit = cuda.blockIdx.x // members, cuda.blockIdx.x % members * units
        weights, more = cuda.local.array(depth, real), cuda.local.array(more_words, real)
        vector, sums = cuda.shared.array(vector_size, real, alignment=16), cuda.shared.array(sums_size, real)
        hold(weights, weight, first_unit)
        if two:
            hold_more(more, weight, first_unit)
        turn = 0
        for v in range(bounds.shape[0] - 1, -1, -1):
            start, stop = bounds[v, group], bounds[v, group + 1]
            if start < stop:
                for i in range(thread, (stop - start) * units, threads):
                    e, j = start + i // units, first_unit + i % units
                    if j < size:
                        begin(e, j, rows[e], previous[e], dy, grads, state)
                turn += 1
                wait(counters, group, members, turn)
                if two:
                    run_more(more, vector, sums, start, stop, first_unit, plan, grads, state)
                    turn += 1
                    wait(counters, group, members, turn)
                run(weights, vector, sums, start, stop, first_unit, plan, grads, state)
                cuda.syncthreads()

    return kernel
