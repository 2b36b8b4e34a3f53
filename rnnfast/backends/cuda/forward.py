"""Forward through time as one launch of resident blocks (blocks.py)."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.backends.cuda.arrays import array_at, arrays_at, present, strided_at
from rnnfast.backends.cuda.block_ends import finisher
from rnnfast.backends.cuda.block_products import holder, multiplier
from rnnfast.backends.cuda.block_sums import room_of, taker
from rnnfast.backends.cuda.block_tables import quotient, span, states_finder
from rnnfast.backends.cuda.blocks import Block, Share, waiter
from rnnfast.backends.cuda.cells import state_parts
from rnnfast.backends.cuda.driver.scalars import address, int64
from rnnfast.backends.cuda.shapes import Cell, Phase


def place_in(cuda: Any, phase: Phase) -> Any:
    """Return where in W_hh that weight is by which a number of h counts for a unit's gate."""
    first_gate = phase.first

    def place_of(size, piece, gate, unit, number):
        return ((first_gate + gate) * size + unit) * size + number

    return cuda.jit(device=True, forceinline=True)(place_of)


def phase_runner(
    cuda: Any, real: Any, block: Block, phase: Phase, share: Share, find: Any, *, masked: bool, last: bool
) -> Any:
    """Return what makes one product of a step, and what follows it, for this block's units of entries [start, stop).

    What there is to find of the first of them is found already. The last phase writes h to y (visit, B, H) as well, if
    that has any steps.
    """
    units, entries, threads = block.units, block.entries, block.threads
    size_of_sums, apply, second = share.gates * units, phase.forward, phase.first > 0
    multiply, take = multiplier(cuda, real, block, share, masked=masked), taker(cuda, block, share)

    def run(weights, sums, tables, start, stop, v, first_unit, other, found, state, y):
        row_of, before_of, vectors, more_vectors, masks = tables
        size, thread = state[6].shape[1], cuda.threadIdx.x
        for first in range(start, stop, entries):
            count = min(entries, stop - first)
            if first > start:
                cuda.syncthreads()
                find(tables, first, stop, size, *found)
                cuda.syncthreads()
            multiply(weights, more_vectors if second else vectors, masks, other, ((0, size),), sums, count)
            cuda.syncthreads()
            for i in range(thread, count * units, threads):
                s, unit = i // units, i % units
                e, j = first + s, first_unit + unit
                if j < size:
                    take(sums, s, unit)
                    apply(e, j, row_of[s], before_of[s], sums, s * size_of_sums + unit, units, state)
                    if last and y.shape[0] > 0:
                        y[v, row_of[s], j] = state[6][e, j]

    return cuda.jit(device=True, forceinline=True)(run)


def forward_kernel(cuda: Any, real: Any, cell: Cell, block: Block, shares: tuple[Share, ...], masked: bool) -> Any:
    """Return the kernel, for hidden sizes that these shares of its products cover. All blocks must run at once.

    Entries of visit v and group g are [bounds[v, g], bounds[v, g + 1]), each a row of the batch, `rows`, and the entry
    before it of that row, `previous`; `last` (B,) is the same after all steps, for h_n and c_n (B, H). weight: W_hh
    (G H, H). From gates to h: see cells.py; with `masked` there is a mask. y: where visits' outputs go, `y_step` and
    `y_row` numbers apart. counters: zeros, one a group. members: blocks of a group.
    error: a uint32 that becomes 1 where one has waited in vain.
    """
    two, first, last_phase = len(cell.phases) > 1, cell.phases[0], cell.phases[-1]
    share, more_share = shares[0], shares[-1]
    words, more_words, entries = share.words, more_share.words if two else 1, block.entries
    more_of, masks_of = entries if two else 1, entries if masked else 1
    room = entries * max(room_of(block, each) for each in shares)
    units, threads, slots, gate_count = block.units, block.threads, cell.slots, cell.inputs
    arrive, wait = waiter(cuda)
    find = states_finder(cuda, real, block, two=two, masked=masked)
    hold, hold_more = (
        holder(cuda, each, place_in(cuda, phase)) for each, phase in ((share, first), (more_share, last_phase))
    )
    run = phase_runner(cuda, real, block, first, share, find, masked=masked, last=not two)
    run_more = phase_runner(cuda, real, block, last_phase, more_share, find, masked=False, last=True)
    finish = finisher(cuda, threads, units, cell.states > 1)

    def kernel(
        bounds: address, visits: int64, groups: int64, rows: address, previous: address, last: address, n: int64,
        batch: int64, size: int64, weight: address, gates: address, h0: address, c0: address, mask: address,
        operand: address, c: address, h: address, y: address, y_step: int64, y_row: int64, h_n: address, c_n: address,
        counters: address, members: int64, error: address,
    ):  # fmt: skip
        cuts = array_at(bounds, (visits, groups + 1), np.int32)
        plan = arrays_at(((rows, (n,)), (previous, (n,))), np.int32)
        state = arrays_at(state_parts(slots, n, batch, size, gates, h0, c0, mask, operand, c, h), real)
        shown = strided_at(y, (present(y, visits), batch, size), (y_step, y_row, 1), real)
        matrix = array_at(weight, (gate_count * size * size,), real)
        group = quotient(cuda.blockIdx.x, members)
        first_unit = (cuda.blockIdx.x - group * members) * units
        ready = counters + np.uint64(4 * group)
        weights, more = cuda.local.array(words, real), cuda.local.array(more_words, real)
        sums, tables = cuda.shared.array(room, real), (
            cuda.shared.array(entries, np.int32), cuda.shared.array(entries, np.int32),
            cuda.shared.array(entries, np.uint64), cuda.shared.array(more_of, np.uint64),
            cuda.shared.array(masks_of, np.uint64),
        )  # fmt: skip
        found = plan[0], plan[1], (h, h0, mask, operand)
        hold(weights, matrix, size, (size,), first_unit)
        if two:
            hold_more(more, matrix, size, (size,), first_unit)
        turn = 0
        start, stop = span(cuts, 0, group)
        find(tables, start, stop, size, *found)
        cuda.syncthreads()
        for v in range(visits):
            if start < stop:
                run(weights, sums, tables, start, stop, v, first_unit, weight, found, state, shown)
                if two:
                    arrive(ready, members)
                    find(tables, start, stop, size, *found)
                    turn += 1
                    turn = wait(ready, members, turn, error)
                    run_more(more, sums, tables, start, stop, v, first_unit, weight, found, state, shown)
                arrive(ready, members)
                turn += 1
            start, stop = span(cuts, v + 1, group)
            find(tables, start, stop, size, *found)
            turn = wait(ready, members, turn, error)
        final = arrays_at(((h_n, (present(h_n, batch), size)), (c_n, (present(c_n, batch), size))), real)
        finish(group, groups, first_unit, array_at(last, (batch,), np.int32), state, final)

    return kernel
