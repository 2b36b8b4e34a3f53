"""Backward through time by clusters of blocks: all visits of a tile of 8 rows, of one direction, in one launch.

What forward recorded becomes d (T, B, slots H), gradients of pre-activations in the slots of the gates: LSTM i f g o;
GRU r z n and q, the last that of W_hn h + b_hn; RNN one. d of a step that is not live may be anything. All other
gradients are products of d of live steps and what was recorded of these (gemm/products.py): dx = d W_ih with the slots
that have rows of it, of the GRU the first three; dW_ih = d^T x with these; dW_hh = d^T h with h, or the operand, as
recorded, of the GRU with slots 0, 1 and 3; db_ih and db_hh the sums of d in the same slots.

arguments.py has the kernel's arguments.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.backends.cuda.cluster import ragged
from rnnfast.backends.cuda.cluster.arguments import PATIENCE, annotated
from rnnfast.backends.cuda.cluster.backward_cells import cell_reader
from rnnfast.backends.cuda.cluster.backward_ends import last_reader
from rnnfast.backends.cuda.cluster.backward_products import HALF, receiver, recurrent_product, sender
from rnnfast.backends.cuda.cluster.backward_shape import BAND_BYTES, TILE_WORDS, BackwardShape
from rnnfast.backends.cuda.cluster.backward_walk import walker
from rnnfast.backends.cuda.cluster.exact import sums_of_gradients
from rnnfast.backends.cuda.cluster.exchange import exchange
from rnnfast.backends.cuda.cluster.gradients import ClusterGradient
from rnnfast.backends.cuda.cluster.rows import row_finder
from rnnfast.backends.cuda.cluster.shape import CELLS, HALVES, THREADS, UNITS
from rnnfast.backends.cuda.cluster.tiles import tile_finder

i32, u32, u64, f32 = np.int32, np.uint32, np.uint64, np.float32
ZERO, ONE, NOTHING, NONE = f32(0), f32(1), u32(0), u64(0)
LIVE, CUT = u32(ragged.LIVE), u32(ragged.CUT)


def backward_kernel(
    ops: Any, cell: ClusterGradient, shape: BackwardShape, uneven: bool, shows: bool = False, patience: int = PATIENCE
) -> Any:
    """Return the kernel for hidden sizes that the shape is for, of rows that may be `uneven`.

    `shows`: it writes to to_dh and to_dc.
    """
    slots, numbers, has_c, spread = cell.slots, shape.numbers, cell.reads_c, cell.recurrent == (0, 1, 3)
    product, messages, send = recurrent_product(ops, shape, cell.gates), exchange(ops, shape, patience), sender(ops)
    load_weights, multiply_tile, receive = product.load, product.multiply, receiver(ops, shape)
    begin, wait, again = messages.begin, messages.wait, messages.again
    mend = sums_of_gradients(ops, shape, cell.gates)
    find, row_of, read = tile_finder(ops, uneven), row_finder(ops, uneven), cell_reader(ops, cell, uneven)
    walk, last_states = walker(ops, slots), last_reader(ops)
    prepare, step = cell.prepare(ops), cell.step(ops)
    thread_of, base_of, cuda, in_peer = ops.thread, ops.dynamic_shared, ops.cuda, ops.in_peer
    load, load_word, store, store_word = ops.load_constant, ops.load_constant_word, ops.store, ops.store_word
    load_byte, load_shared, store_shared, store_shared4 = (
        ops.load_constant_byte, ops.load_shared, ops.store_shared, ops.store_shared4,
    )  # fmt: skip
    sync_block, sync_cluster, sync_warp = ops.sync_block, ops.sync_cluster, ops.sync_warp
    bands, parts, across, slot_size, barriers = shape.bands, shape.parts, shape.across, shape.slot, shape.barriers
    d_at, d_size, carried_h_at, carried_c_at = shape.gradients, shape.gradient_bytes, shape.carried_h, shape.carried_c
    held, sums_held, cleared = shape.bands * shape.tiles * 16, 12 * shape.bands, shape.carried_h // 4

    def kernel(
        gates, gates_away, c, c_away, h, h_away, weight, weight_away, mask, mask_away, lengths, flags, flags_away,
        dy, dy_away, last_h, last_h_away, last_c, last_c_away, d, d_away, first_h, first_h_away, first_c, first_c_away,
        to_dh, to_dh_away, to_dc, to_dc_away, order, spans, error, dy_step, dy_row, steps, batch, size, first_direction,
        tile_rows,
    ):  # fmt: skip
        base, thread = base_of(), thread_of()
        lane, warp = thread & u32(31), thread >> u32(5)
        band, part = warp % u32(across), warp // u32(across)
        blocks, member, number, first_row, turned, rows, first, last = find(
            spans, steps, batch, size, first_direction, tile_rows
        )
        away, member, visits, row_bytes = u64(number), u32(member), i32(last - first), u64(size) * u64(4)
        first_unit, step_bytes = member * u32(UNITS), u64(batch) * row_bytes
        flags, d = flags + away * flags_away, d + away * d_away

        # W_hh, slots of zeros, barriers
        weights = cuda.local.array(held, u32)
        weight = weight + away * weight_away
        load_weights(weights, weight, u32(size), first_unit, band, part, lane)
        for i in range(i32(thread), cleared, THREADS):
            store_shared(u32(base + u32(i) * u32(4)), ZERO)
        full = u32(blocks * u32(parts * BAND_BYTES)) >> u32(rows <= HALF)
        if thread == NOTHING:
            begin(base, full)
        sync_cluster()

        # this thread's cell, a unit of a row: rows 0 to 3 of all units, then rows 4 to 7
        index, half = thread % u32(CELLS), thread // u32(CELLS)
        unit, row = u32(index >> u32(2) & u32(15)), u32((index >> u32(6)) * u32(4) + (index & u32(3)))
        own = first_unit + unit
        inside = i32(row) < rows and i32(own) < size
        b = row_of(order, first_row, row) if i32(row) < rows else u32(0)
        in_row = u64(b) * row_bytes + u64(own) * u64(4)
        factor = load(mask + away * mask_away + in_row) if inside and mask != NONE else ONE
        length = i32(load_word(lengths + u64(b) * u64(4))) if uneven and inside and lengths != NONE else i32(steps)
        d_word = u32(base + u32(d_at) + (row * u32(16) + unit) * u32(4))
        if numbers > 1:
            d_word = u32(base + u32(d_at) + ((unit >> u32(2)) * u32(TILE_WORDS) + row * u32(16)) * u32(4))
            d_word = u32(d_word + (unit & u32(3)) * u32(16))
        h_cell, c_cell = u32(base + u32(carried_h_at) + index * u32(4)), u32(base + u32(carried_c_at) + index * u32(4))
        if half == NOTHING:
            last_states(last_h, last_h_away, last_c, last_c_away, away, in_row, h_cell, c_cell, inside)

        # where the numbers of a visit are, and how far those of this half's next
        ahead, after, before, in_step, wide, dy_at, flags_at, bound = walk(
            dy + away * dy_away, dy_step, dy_row, flags, steps, batch, last, half, turned, b, own, in_row, step_bytes,
            length,
        )  # fmt: skip
        gates, c, h = gates + away * gates_away, c + away * c_away, h + away * h_away
        values, marks = cuda.local.array(7, f32), cuda.local.array(2, u32)
        marks[0], marks[1], later = LIVE, LIVE, LIVE
        for k in range(7):
            values[k] = ZERO
        if uneven and inside and half != NOTHING and visits > i32(1) and flags != NONE:
            later = load_byte(flags_at + u64(2) * u64(batch))  # of the visit after the first of this half
        if inside and i32(half) < visits:
            read(
                values, marks, gates + wide, row_bytes, c + in_step, h + in_step, after, before, dy, dy_at,
                flags, flags_at, u64(batch),
            )  # fmt: skip

        sums = cuda.local.array(sums_held, f32)
        given_up, turn = False, i32(half)
        f0, f1, f2, f3, f4, f5, dh, dc, dy_now = ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO
        d0, d1, d2, d3 = ZERO, ZERO, ZERO, ZERO
        live, cut, arrives = inside, False, True
        for i in range(visits):
            arrived = u32((i - 1) & 1)
            if turn == i:  # what can be done before the sums are there
                if uneven:  # no product comes of what is not live: not even zeros times weights, which may be infinite
                    arrives = later & LIVE != NOTHING and (i32(i - 1) < bound) == turned
                    later = marks[0]
                    live = inside and marks[1] & LIVE != NOTHING and (i < bound) == turned
                    cut = marks[1] & CUT != NOTHING
                    if has_c and later & CUT != NOTHING:
                        values[5] = ZERO
                f0, f1, f2, f3, f4, f5 = prepare(values[0], values[1], values[2], values[3], values[4], values[5])
                dh, dc, dy_now = load_shared(h_cell), load_shared(c_cell), values[6]
            if i > 0:
                if not given_up and not wait(base, arrived, u32(((i - 1) >> 1) & 1)):
                    given_up = True
                    store_word(error, u32(1))
                sync_warp()
                if thread == NOTHING and not given_up:
                    again(base, arrived, full)
            if turn == i:
                if i > 0 and arrives:
                    dh = receive(u32(base + arrived * u32(slot_size)), index) * factor + dh
                if cut:
                    dh, dc = ZERO, ZERO
                d0, d1, d2, d3, dh_carried, dc_carried = ZERO, ZERO, ZERO, ZERO, dh, dc
                if shows and live:
                    store(to_dh + away * to_dh_away + in_step, dh + dy_now)
                    if has_c:
                        store(to_dc + away * to_dc_away + in_step, (dh + dy_now) * f4 + dc)
                if live:
                    d0, d1, d2, d3, dh_carried, dc_carried = step(f0, f1, f2, f3, f4, f5, dh + dy_now, dc)
                d_to = u32(d_word + u32(i & 1) * u32(d_size))
                if numbers > 1:
                    store_shared4(d_to, d0, d1, d3 if spread else d2, ZERO if spread else d3)
                else:
                    store_shared(d_to, d0)
                store_shared(h_cell, dh_carried)
                store_shared(c_cell, dc_carried)
            sync_block()
            if band < blocks:
                d_here = u32(base + u32(d_at) + u32(i & 1) * u32(d_size))
                multiply_tile(sums, weights, d_here, part, lane)
                mend(sums, weight, d_here, u32(size), first_unit, band, part, lane)
                to = u32(u32(i & 1) * u32(slot_size) + (member * u32(parts) + part) * u32(BAND_BYTES))
                barrier = u32(u32(barriers) + u32(i & 1) * u32(8))
                for j in range(bands):
                    owner = band + u32(j * across)
                    if owner < blocks:
                        peer = in_peer(base, owner)
                        send(sums, 12 * j, u32(peer + to), u32(peer + barrier), lane, rows)
            if turn == i:  # what others need not wait for
                if inside:
                    store(d + wide, d0)
                    if slots > 1:
                        store(d + (wide + row_bytes), d1)
                        store(d + (wide + u64(2) * row_bytes), d2)
                        store(d + (wide + u64(3) * row_bytes), d3)
                    in_step, wide = in_step + ahead * step_bytes, wide + ahead * step_bytes * u64(slots)
                    dy_at, flags_at = dy_at + ahead * dy_step, flags_at - u64(HALVES) * u64(batch)
                    if i + HALVES < visits:
                        read(
                            values, marks, gates + wide, row_bytes, c + in_step, h + in_step, after, before, dy, dy_at,
                            flags, flags_at, u64(batch),
                        )  # fmt: skip
                turn = i32(turn + i32(HALVES))

        # the first states
        arrived = u32((visits - 1) & 1)
        if visits > 0 and not given_up and not wait(base, arrived, u32(((visits - 1) >> 1) & 1)):
            store_word(error, u32(1))
        if half == NOTHING and inside:
            dh, dc = load_shared(h_cell), load_shared(c_cell)
            if visits > 0:
                if uneven:
                    later = load_byte(flags + u64(first + i32(1)) * u64(batch) + u64(b)) if flags != NONE else LIVE
                    arrives = later & LIVE != NOTHING and (visits - i32(1) < bound) == turned
                if arrives:
                    dh = receive(u32(base + arrived * u32(slot_size)), index) * factor + dh
            if uneven and flags != NONE and load_byte(flags + u64(b)) & CUT != NOTHING:
                dh, dc = ZERO, ZERO
            if first_h != NONE:
                store(first_h + away * first_h_away + in_row, dh)
            if has_c and first_c != NONE:
                store(first_c + away * first_c_away + in_row, dc)
        sync_cluster()

    return annotated(kernel)
