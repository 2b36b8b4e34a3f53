"""Forward through time as one launch of resident blocks (blocks.py)."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.backends.cuda.arrays import array_at, arrays_at, present, strided_at
from rnnfast.backends.cuda.blocks import Block, multiplier, number_of, waiter
from rnnfast.backends.cuda.cells import dropped, past, state_parts
from rnnfast.backends.cuda.driver.scalars import address, int64
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


def phase_runner(cuda: Any, real: Any, block: Block, phase: Phase, depth: int, *, second: bool, last: bool) -> Any:
    """Return what makes one product of a step, and what follows it, for this block's units of entries [start, stop).

    The last phase writes h to y (visit, B, H) as well, if that has any steps.
    """
    units, entries, threads, outputs = block.units, block.entries, block.threads, phase.count
    length, apply, multiply = block.lanes * depth, phase.forward, multiplier(cuda, real, block, outputs, depth)

    def run(weights, vector, sums, start, stop, v, first_unit, plan, state, y):
        rows, previous = plan
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
                    if last and y.shape[0] > 0:
                        y[v, rows[e], j] = h[e, j]

    return cuda.jit(device=True, forceinline=True)(run)


def forward_kernel(cuda: Any, real: Any, cell: Cell, block: Block, depth: int) -> Any:
    """Return the kernel, for hidden sizes that `depth` numbers of each lane cover. All blocks must run at once.

    Entries of visit v and group g are [bounds[v, g], bounds[v, g + 1]), each a row of the batch, `rows`, and the entry
    before it of that row, `previous`; `last` (B,) is the same after all steps, for h_n and c_n (B, H). weight: W_hh
    (G H, H). From gates to h: see cells.py. y: where visits' outputs go, `y_step` and `y_row` numbers apart. counters:
    zeros, one a group. members: blocks of a group.
    """
    two, first, last_phase = len(cell.phases) > 1, cell.phases[0], cell.phases[-1]
    words, more_words = first.count * depth, last_phase.count * depth if two else 1
    vector_size, sums_size = block.entries * block.lanes * depth, block.entries * first.count * block.units
    units, threads, slots, gate_count, wait = block.units, block.threads, cell.slots, cell.inputs, waiter(cuda)
    hold, hold_more = (weights_holder(cuda, block, phase, depth) for phase in (first, last_phase))
    run = phase_runner(cuda, real, block, first, depth, second=False, last=not two)
    run_more = phase_runner(cuda, real, block, last_phase, depth, second=True, last=True)
    finish = finisher(cuda, threads, units, cell.states > 1)

    def kernel(
        bounds: address, visits: int64, groups: int64, rows: address, previous: address, last: address, n: int64,
        batch: int64, size: int64, weight: address, gates: address, h0: address, c0: address, mask: address,
        operand: address, c: address, h: address, y: address, y_step: int64, y_row: int64, h_n: address, c_n: address,
        counters: address, members: int64,
    ):  # fmt: skip
        cuts, ready = array_at(bounds, (visits, groups + 1), np.int32), array_at(counters, (groups,), np.int32)
        plan = arrays_at(((rows, (n,)), (previous, (n,))), np.int32)
        state = arrays_at(state_parts(slots, n, batch, size, gates, h0, c0, mask, operand, c, h), real)
        shown = strided_at(y, (present(y, visits), batch, size), (y_step, y_row, 1), real)
        matrix = array_at(weight, (gate_count * size, size), real)
        group, first_unit = cuda.blockIdx.x // members, cuda.blockIdx.x % members * units
        weights, more = cuda.local.array(words, real), cuda.local.array(more_words, real)
        vector, sums = cuda.shared.array(vector_size, real, alignment=16), cuda.shared.array(sums_size, real)
        hold(weights, matrix, first_unit)
        if two:
            hold_more(more, matrix, first_unit)
        turn = 0
        for v in range(visits):
            start, stop = cuts[v, group], cuts[v, group + 1]
            if start < stop:
                run(weights, vector, sums, start, stop, v, first_unit, plan, state, shown)
                turn += 1
                wait(ready, group, members, turn)
                if two:
                    run_more(more, vector, sums, start, stop, v, first_unit, plan, state, shown)
                    turn += 1
                    wait(ready, group, members, turn)
        final = arrays_at(((h_n, (present(h_n, batch), size)), (c_n, (present(c_n, batch), size))), real)
        finish(group, groups, first_unit, array_at(last, (batch,), np.int32), state, final)

    return kernel


def finisher(cuda: Any, threads: int, units: int, two_states: bool) -> Any:
    """Return what writes the states after all steps, where wanted, of this block's units and its group's rows."""

    def finish(group, groups, first_unit, last, state, final):
        _, h0, c0, _, _, c, h = state
        h_n, c_n = final
        batch, size = last.shape[0], h.shape[1]
        begin, end = group * batch // groups, (group + 1) * batch // groups
        for i in range(cuda.threadIdx.x, (end - begin) * units, threads):
            b, j = begin + i // units, first_unit + i % units
            if j < size:
                if h_n.shape[0] > 0:
                    h_n[b, j] = past(h, h0, last[b], b, j)
                if two_states and c_n.shape[0] > 0:
                    c_n[b, j] = past(c, c0, last[b], b, j)

    return cuda.jit(device=True, forceinline=True)(finish)
