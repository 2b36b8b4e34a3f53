"""Back-propagation through time as one launch of resident blocks (blocks.py)."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.backends.cuda.arrays import array_at, arrays_at, present, strided_at
from rnnfast.backends.cuda.blocks import Block, multiplier, number_of, waiter
from rnnfast.backends.cuda.cells import FROM_ZEROS, state_parts
from rnnfast.backends.cuda.driver.scalars import address, int64
from rnnfast.backends.cuda.gradients import beginning, by_way_of_y, ending, grads_parts, reset
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
        rows, previous = plan
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
    """Return the kernel, as `forward_kernel`. All blocks must run at once.

    dL/dh' by way of y is that of dy, which lies like y there, or of `held` (n, H). d_h_n and d_c_n (B, H) are the
    final states' gradients. From dh to found_c: see gradients.py. `depth` numbers of each lane cover the gates of the
    first phase, `more_depth` those of the second, if there is one.
    """
    two, first, last_phase = len(cell.phases) > 1, cell.phases[0], cell.phases[-1]
    more_words = more_depth if two else 1
    vector_size, sums_size = block.entries * block.lanes * max(depth, more_depth), block.entries * block.units
    units, threads, slots, gate_count, wait = block.units, block.threads, cell.slots, cell.inputs, waiter(cuda)
    hold, hold_more = weights_holder(cuda, block, first, depth), weights_holder(cuda, block, last_phase, more_depth)
    begin, prepare = beginning(cell), preparer(cuda, threads, units, cell.states > 1)
    run = phase_runner(cuda, real, block, first, depth, ending(cell))
    run_more = phase_runner(cuda, real, block, last_phase, more_depth, reset)

    def kernel(
        bounds: address, visits: int64, groups: int64, rows: address, previous: address, last: address, n: int64,
        batch: int64, size: int64, weight: address, gates: address, h0: address, c0: address, mask: address,
        operand: address, c: address, h: address, dy: address, dy_step: int64, dy_row: int64, held: address,
        d_h_n: address, d_c_n: address, dh: address, dc: address, through: address, found: address, found_c: address,
        counters: address, members: int64,
    ):  # fmt: skip
        cuts, ready = array_at(bounds, (visits, groups + 1), np.int32), array_at(counters, (groups,), np.int32)
        plan = arrays_at(((rows, (n,)), (previous, (n,))), np.int32)
        state = arrays_at(state_parts(slots, n, batch, size, gates, h0, c0, mask, operand, c, h), real)
        grads = arrays_at(grads_parts(n, batch, size, dh, dc, through, found, found_c), real)
        d_shown = strided_at(dy, (present(dy, visits), batch, size), (dy_step, dy_row, 1), real)
        d_held, matrix = (
            array_at(held, (present(held, n), size), real),
            array_at(weight, (gate_count * size, size), real),
        )
        thread, group, first_unit = cuda.threadIdx.x, cuda.blockIdx.x // members, cuda.blockIdx.x % members * units
        weights, more = cuda.local.array(depth, real), cuda.local.array(more_words, real)
        vector, sums = cuda.shared.array(vector_size, real, alignment=16), cuda.shared.array(sums_size, real)
        hold(weights, matrix, first_unit)
        if two:
            hold_more(more, matrix, first_unit)
        final = arrays_at(((d_h_n, (present(d_h_n, batch), size)), (d_c_n, (present(d_c_n, batch), size))), real)
        prepare(group, groups, first_unit, array_at(last, (batch,), np.int32), final, grads)
        cuda.syncthreads()
        turn = 0
        for v in range(visits - 1, -1, -1):
            start, stop = cuts[v, group], cuts[v, group + 1]
            if start < stop:
                for i in range(thread, (stop - start) * units, threads):
                    e, j = start + i // units, first_unit + i % units
                    if j < size:
                        d = by_way_of_y(d_shown, d_held, v, plan[0][e], e, j)
                        begin(e, j, plan[0][e], plan[1][e], d, grads, state)
                turn += 1
                wait(ready, group, members, turn)
                if two:
                    run_more(more, vector, sums, start, stop, first_unit, plan, grads, state)
                    turn += 1
                    wait(ready, group, members, turn)
                run(weights, vector, sums, start, stop, first_unit, plan, grads, state)
                cuda.syncthreads()

    return kernel


def preparer(cuda: Any, threads: int, units: int, two_states: bool) -> Any:
    """Return what makes dh and dc the final states' gradients, for this block's units and its group's rows.

    They are zeros for a state that had become zeros, and where none are given.
    """

    def prepare(group, groups, first_unit, last, final, grads):
        d_h_n, d_c_n = final
        dh, dc, _, _, _ = grads
        batch, size, zero = dh.shape[0], dh.shape[1], dh.dtype.type(0)
        begin, end = group * batch // groups, (group + 1) * batch // groups
        for i in range(cuda.threadIdx.x, (end - begin) * units, threads):
            b, j = begin + i // units, first_unit + i % units
            if j < size:
                lives = last[b] != FROM_ZEROS
                dh[b, j] = d_h_n[b, j] if lives and d_h_n.shape[0] > 0 else zero
                if two_states:
                    dc[b, j] = d_c_n[b, j] if lives and d_c_n.shape[0] > 0 else zero

    return cuda.jit(device=True, forceinline=True)(prepare)
