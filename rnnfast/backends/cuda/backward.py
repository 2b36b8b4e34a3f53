"""Back-propagation through time as one launch of resident blocks (blocks.py)."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.backends.cuda.arrays import array_at, arrays_at, present, strided_at
from rnnfast.backends.cuda.block_ends import beginner, preparer
from rnnfast.backends.cuda.block_products import holder, multiplier
from rnnfast.backends.cuda.block_sums import room_of, taker
from rnnfast.backends.cuda.block_tables import gates_finder, quotient, span
from rnnfast.backends.cuda.blocks import Block, Share, waiter
from rnnfast.backends.cuda.cells import state_parts
from rnnfast.backends.cuda.driver.scalars import address, int64
from rnnfast.backends.cuda.gradients import ending, grads_parts, reset
from rnnfast.backends.cuda.shapes import Cell, Phase


def place_in(cuda: Any, phase: Phase) -> Any:
    """Return where in W_hh that weight is by which the gradient of one of a run's gates counts for a unit."""
    gates = tuple([run.gate for run in phase.runs])

    def place_of(size, piece, gate, unit, number):
        return (gates[piece] * size + number) * size + unit

    return cuda.jit(device=True, forceinline=True)(place_of)


def phase_runner(cuda: Any, real: Any, block: Block, phase: Phase, share: Share, find: Any, after: Any) -> Any:
    """Return what makes the product of entries' gradients with a phase's rows of W_hh, and what follows it.

    Both are for this block's units. What there is to find of the first entries is found already.
    """
    units, entries, threads = block.units, block.entries, block.threads
    multiply, take = multiplier(cuda, real, block, share, masked=False), taker(cuda, block, share)
    first_run, last_run = phase.runs[0], phase.runs[-1]
    begin, begin_last = first_run.slot, last_run.slot
    end, end_last = begin + first_run.count, begin_last + last_run.count

    def run(weights, sums, tables, start, stop, first_unit, plan, grads, state, gates):
        row_of, before_of, vectors = tables
        size, thread = state[6].shape[1], cuda.threadIdx.x
        pieces = (begin * size, end * size), (begin_last * size, end_last * size)
        for first in range(start, stop, entries):
            count = min(entries, stop - first)
            if first > start:
                cuda.syncthreads()
                find(tables, first, stop, size, plan, gates)
                cuda.syncthreads()
            multiply(weights, vectors, vectors, gates, pieces, sums, count)
            cuda.syncthreads()
            for i in range(thread, count * units, threads):
                s, unit = i // units, i % units
                j = first_unit + unit
                if j < size:
                    take(sums, s, unit)
                    after(first + s, j, row_of[s], before_of[s], sums[i], grads, state)

    return cuda.jit(device=True, forceinline=True)(run)


def backward_kernel(cuda: Any, real: Any, cell: Cell, block: Block, shares: tuple[Share, ...]) -> Any:
    """Return the kernel, as `forward_kernel`. All blocks must run at once.

    dL/dh' by way of y is that of dy, which lies like y there, or of `held` (n, H). d_h_n and d_c_n (B, H) are the
    final states' gradients. From dh to found_c: see gradients.py.
    """
    two, first, last_phase = len(cell.phases) > 1, cell.phases[0], cell.phases[-1]
    share, more_share = shares[0], shares[-1]
    words, more_words, entries = share.words, more_share.words if two else 1, block.entries
    room = entries * max(room_of(block, each) for each in shares)
    units, threads, slots, gate_count = block.units, block.threads, cell.slots, cell.inputs
    counts, counts_more = ((phase.runs[0].count, phase.runs[-1].count) for phase in (first, last_phase))
    arrive, wait = waiter(cuda)
    find, (look, begin) = gates_finder(cuda, real, block, slots), beginner(cuda, threads, units, cell)
    hold, hold_more = holder(cuda, share, place_in(cuda, first)), holder(cuda, more_share, place_in(cuda, last_phase))
    prepare = preparer(cuda, threads, units, cell.states > 1)
    run = phase_runner(cuda, real, block, first, share, find, ending(cell))
    run_more = phase_runner(cuda, real, block, last_phase, more_share, find, reset)

    def kernel(
        bounds: address, visits: int64, groups: int64, rows: address, previous: address, last: address, n: int64,
        batch: int64, size: int64, weight: address, gates: address, h0: address, c0: address, mask: address,
        operand: address, c: address, h: address, dy: address, dy_step: int64, dy_row: int64, held: address,
        d_h_n: address, d_c_n: address, dh: address, dc: address, through: address, found: address, found_c: address,
        counters: address, members: int64, error: address,
    ):  # fmt: skip
        cuts = array_at(bounds, (visits, groups + 1), np.int32)
        plan = arrays_at(((rows, (n,)), (previous, (n,))), np.int32)
        state = arrays_at(state_parts(slots, n, batch, size, gates, h0, c0, mask, operand, c, h), real)
        grads = arrays_at(grads_parts(n, batch, size, dh, dc, through, found, found_c), real)
        d_shown = strided_at(dy, (present(dy, visits), batch, size), (dy_step, dy_row, 1), real)
        d_held, matrix = (
            array_at(held, (present(held, n), size), real),
            array_at(weight, (gate_count * size * size,), real),
        )
        group = quotient(cuda.blockIdx.x, members)
        first_unit = (cuda.blockIdx.x - group * members) * units
        ready = counters + np.uint64(4 * group)
        weights, more = cuda.local.array(words, real), cuda.local.array(more_words, real)
        sums, tables = cuda.shared.array(room, real), (
            cuda.shared.array(entries, np.int32), cuda.shared.array(entries, np.int32),
            cuda.shared.array(entries, np.uint64),
        )  # fmt: skip
        hold(weights, matrix, size, (counts[0] * size, counts[1] * size), first_unit)
        if two:
            hold_more(more, matrix, size, (counts_more[0] * size, counts_more[1] * size), first_unit)
        final = arrays_at(((d_h_n, (present(d_h_n, batch), size)), (d_c_n, (present(d_c_n, batch), size))), real)
        prepare(group, groups, first_unit, array_at(last, (batch,), np.int32), final, grads)
        cuda.syncthreads()
        turn = 0
        start_next, stop_next = span(cuts, visits - 1, group)
        known = look(plan, start_next)
        for v in range(visits - 1, -1, -1):
            start, stop = start_next, stop_next
            start_next, stop_next = span(cuts, v - 1, group)
            if start < stop:
                begin(start, stop, v, first_unit, plan, known, d_shown, d_held, grads, state)
                arrive(ready, members)
                find(tables, start, stop, size, plan, gates)
                known = look(plan, start_next)
                turn += 1
                turn = wait(ready, members, turn, error)
                if two:
                    run_more(more, sums, tables, start, stop, first_unit, plan, grads, state, gates)
                    arrive(ready, members)
                    find(tables, start, stop, size, plan, gates)
                    turn += 1
                    turn = wait(ready, members, turn, error)
                run(weights, sums, tables, start, stop, first_unit, plan, grads, state, gates)
                cuda.syncthreads()
            else:
                known = look(plan, start_next)

    return kernel
