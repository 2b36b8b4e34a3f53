"""Forward through time by clusters of blocks: all visits of a tile of 8 rows, of one direction, in one launch.

arguments.py has the kernel's arguments. The grid has a cluster of `blocks_of(H)` blocks for every direction and tile;
launch.py computes it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.backends.cuda.cluster import ragged
from rnnfast.backends.cuda.cluster.arguments import PATIENCE, annotated
from rnnfast.backends.cuda.cluster.cells import ClusterCell
from rnnfast.backends.cuda.cluster.exact import sums_of_states
from rnnfast.backends.cuda.cluster.exchange import exchange
from rnnfast.backends.cuda.cluster.forward_ends import ends
from rnnfast.backends.cuda.cluster.forward_walk import walker
from rnnfast.backends.cuda.cluster.products import halves, tf32
from rnnfast.backends.cuda.cluster.records import recorder
from rnnfast.backends.cuda.cluster.rows import row_finder, row_measurer, row_scales, scale_follower
from rnnfast.backends.cuda.cluster.shape import CELLS, HALVES, ROWS, THREADS, TILE_WORDS, UNITS, Shape
from rnnfast.backends.cuda.cluster.sums import summer
from rnnfast.backends.cuda.cluster.tiles import tile_finder
from rnnfast.backends.cuda.cluster.visits import visitor
from rnnfast.backends.cuda.cluster.weights import weights_holder

i32, u32, u64, f32 = np.int32, np.uint32, np.uint64, np.float32
ZERO, ONE, NOTHING, NONE = f32(0), f32(1), u32(0), u64(0)
LIVE, CUT = u32(ragged.LIVE), u32(ragged.CUT)


def forward_kernel(
    ops: Any, cell: ClusterCell, depth: int, uneven: bool, recorded: bool, patience: int = PATIENCE
) -> Any:
    """Return the kernel for hidden sizes that `depth` covers (shape.py).

    `uneven`: it reads lengths, flags and mask. `recorded`: it writes what backward needs.
    """
    shape, gates, has_c = Shape(depth), cell.gates, cell.has_c
    forgets = cell.forgets and not uneven  # a row that is not live keeps its first state
    pairs, scaled = (gates + 1) // 2, cell.bounded
    follows = uneven and scaled
    products = (halves if cell.bounded else tf32)(ops, depth, gates)
    held, messages = weights_holder(ops, shape, gates, products), exchange(ops, shape, patience)
    load_weights, split_weights, keep_inverses = held.load, held.split, held.inverses
    begin, find_peers, send, wait, again = messages.begin, messages.peers, messages.send, messages.wait, messages.again
    measure, scales_of = row_measurer(ops, shape, uneven), row_scales(ops, shape, cell.forgets or uneven)
    follow = scale_follower(ops, cell.forgets)
    find, row_of, visited = tile_finder(ops, uneven), row_finder(ops, uneven), visitor(ops, cell, uneven)
    walking, at_ends = walker(ops, uneven), ends(ops, has_c, uneven)
    cell_of, walk, first_states = walking.cell, walking.begin, at_ends.first
    last_states, clear = at_ends.last, at_ends.clear
    summing = summer(ops, shape, gates, products, scaled=scaled)
    mended, slot_size = sums_of_states(ops, gates, products), shape.slot
    records = recorder(ops, cell.slots, has_c, masked=uneven)
    leave, gather, record_states, record_gates = summing.leave, summing.gather, records.states, records.gates
    thread_of, base_of, cuda = ops.thread, ops.dynamic_shared, ops.cuda
    word, sums_held, weights_held = products.word, 12 * pairs, 8 * pairs * depth
    load, load_byte = ops.load_constant, ops.load_constant_byte
    store, store_word, store_shared_word = ops.store, ops.store_word, ops.store_shared_word
    load_shared, store_shared = ops.load_shared, ops.store_shared
    sync_block, sync_cluster, sync_warp = ops.sync_block, ops.sync_cluster, ops.sync_warp
    inverses_at, c_at, h_at, slots_at, slots_size = shape.inverses, shape.c, shape.h, shape.slots, 2 * shape.slot

    def kernel(
        x, x_away, weight, weight_away, bias, bias_away, h0, h0_away, c0, c0_away, mask, mask_away,
        lengths, flags, flags_away, y, y_away, last_h, last_h_away, last_c, last_c_away,
        to_gates, to_gates_away, to_c, to_c_away, to_h, to_h_away, to_operand, to_operand_away,
        order, spans, error, x_step, x_row, y_step, y_row, steps, batch, size, first_direction,
        tile_rows,
    ):  # fmt: skip
        base, thread = base_of(), thread_of()
        lane, warp = thread & u32(31), thread >> u32(5)
        part, group = warp >> u32(1), warp & u32(1)
        blocks, member, number, first_row, turned, rows, first, last = find(
            spans, steps, batch, size, first_direction, tile_rows
        )
        away, first_unit, visits, row_bytes = u64(number), member * u32(UNITS), i32(last - first), u64(size) * u64(4)
        step_bytes = u64(batch) * row_bytes
        h0, c0, mask = h0 + away * h0_away, c0 + away * c0_away, mask + away * mask_away
        flags = flags + away * flags_away

        # W_hh, how large it and the first states are, slots of zeros
        weights = cuda.local.array(weights_held, u32)
        weight = weight + away * weight_away
        load_weights(weights, base, weight, i32(size), first_unit, group, part, lane)
        if scaled:
            measure(base, h0, mask, flags, order, first_row, rows, i32(size), warp, lane)
        for i in range(i32(thread), slots_size // 4, THREADS):
            store_shared_word(u32(base + u32(slots_at) + u32(i) * u32(4)), NOTHING)
        full = u32(rows) * ((u32(size) + u32(3)) >> u32(2)) * u32(16)
        if thread == u32(0):
            begin(base, full)
        sync_cluster()
        split_weights(weights, base, group, lane)
        if scaled:
            own_bias = bias + away * bias_away + u64(first_unit) * u64(4)
            keep_inverses(base, own_bias if bias != NONE else NONE, i32(size) - i32(first_unit), thread)

        # this thread's cell: a unit of a row
        index, half, unit, row = cell_of(thread, lane)
        own = first_unit + unit
        inside = i32(row) < rows and i32(own) < size
        may_send = i32(row) < rows and i32(own & u32(0xFFFFFFFC)) < size
        b = row_of(order, first_row, row) if i32(row) < rows else u32(0)
        in_slot = u32(slots_at) + ((member * u32(ROWS) + row) * u32(UNITS) + unit) * u32(4)
        in_row = u64(b) * row_bytes + u64(own) * u64(4)
        peers = cuda.local.array(depth, u32)
        find_peers(peers, base, blocks, lane)
        first_scale, scale, inverse, later_inverse = ONE, ONE, ONE, ONE
        if scaled:
            first_scale, inverse, scale, later_inverse = scales_of(base, row)
            first_inverse = inverse
            if half != NOTHING:
                inverse = later_inverse
        factor = load(mask + in_row) if uneven and inside and mask != NONE else ONE

        x_at, y_at, place, flags_at, x_turn, y_turn, turn_bytes, after, bound = walk(
            x + away * x_away, x_step, x_row, y + away * y_away, y_step, y_row, lengths, flags, steps, batch, first,
            half, turned, inside, b, own, in_row, step_bytes,
        )  # fmt: skip
        to_c, to_h = to_c + away * to_c_away, to_h + away * to_h_away
        to_gates, to_operand = to_gates + away * to_gates_away, to_operand + away * to_operand_away
        inputs = cuda.local.array(4, f32)
        flag, between = LIVE, LIVE  # of this half's next visit, and of the one before that
        for k in range(4):
            inputs[k] = ZERO
        if inside and i32(half) < visits:
            for k in range(gates):
                inputs[k] = load(x_at + u64(k) * row_bytes)
            if uneven and flags != NONE:
                flag, between = load_byte(flags_at + u64(half) * u64(batch)), load_byte(flags_at)

        # the first states
        c_cell, h_cell = u32(base + u32(c_at) + index * u32(4)), u32(base + u32(h_at) + index * u32(4))
        if half == NOTHING:
            h, c = first_states(h0, c0, flags, b, in_row, inside)
            store_shared(h_cell, h)
            store_shared(c_cell, c)
            send(peers, in_slot, u32(0), word(h * factor, first_scale), lane, may_send and visits > 0)
            if recorded and inside:
                before = place + (step_bytes if turned else NONE)
                record_states(to_h, to_c, to_operand, before, h, c, h * factor)

        sums = cuda.local.array(sums_held, f32)
        from_slot = u32(base + u32(slots_at) + (part * u32(depth * TILE_WORDS) + lane * u32(4)) * u32(4))
        part_to = u32(base + (part * u32(CELLS) + group * u32(64) + lane) * u32(16))
        part_from, inverses = u32(base + index * u32(16)), u32(base + u32(inverses_at) + unit * u32(16))
        words_of_row = u32(base + u32(slots_at) + row * u32(UNITS * 4))
        given_up, turn = False, i32(half)
        live, cut, late, own_scale = True, False, False, scale
        for i in range(visits):
            slot = u32(i & 1)
            if uneven and turn == i:  # what can be done before the words are there
                live = flag & LIVE != NOTHING and (i < bound) != turned
                cut = flag & CUT != NOTHING
                if follows:
                    if i > 0:
                        lived = between & LIVE != NOTHING and (i32(i - 1) < bound) != turned
                        late = follow(late, lived, between & CUT != NOTHING)
                    inverse = later_inverse if late else first_inverse
                    late = follow(late, live, cut)
                    own_scale = scale if late else first_scale
            if not given_up and not wait(base, slot, u32((i >> 1) & 1)):
                given_up = True
                store_word(error, u32(1))
            sync_warp()
            if thread == NOTHING and not given_up:
                again(base, slot, full)
            leave(sums, weights, from_slot, part_to, slot)
            sync_block()
            if turn == i:
                s0, s1, s2, s3 = gather(part_from, slot, inverses, inverse)
                words = u32(words_of_row + slot * u32(slot_size))
                s0, s1, s2, s3 = mended(s0, s1, s2, s3, weight, words, own, u32(size) if inside else NOTHING, inverse)
                h_old, c_old = ZERO, ZERO
                if not forgets:
                    h_old = load_shared(h_cell)
                if has_c:
                    c_old = load_shared(c_cell)
                g0, g1, g2, g3, h, c, shown, c_shown = visited(
                    s0, s1, s2, s3, inputs[0], inputs[1], inputs[2], inputs[3], h_old, c_old, live, cut
                )
                entering = h * factor
                send_word = word(entering, own_scale)
                if i + 1 < visits:
                    send(peers, in_slot, u32(1) - slot, send_word, lane, may_send)
                store_shared(h_cell, h)
                if has_c:
                    store_shared(c_cell, c)
                if inside:
                    store(y_at, shown)
                    if recorded:
                        record_states(to_h, to_c, to_operand, place + after, h, c_shown, entering)
                        if live:
                            record_gates(to_gates, place, own, row_bytes, g0, g1, g2, g3)
                    x_at, y_at, place = x_at + x_turn, y_at + y_turn, place + turn_bytes
                    if i + HALVES < visits:
                        for k in range(gates):
                            inputs[k] = load(x_at + u64(k) * row_bytes)
                        if uneven and flags != NONE:
                            flag = load_byte(flags_at + u64(i + HALVES) * u64(batch))
                            between = load_byte(flags_at + u64(i + HALVES - 1) * u64(batch))
                inverse, turn = later_inverse, i32(turn + i32(HALVES))
        sync_block()
        if half == NOTHING and inside:
            last_states(last_h, last_h_away, last_c, last_c_away, away, in_row, h_cell, c_cell)
        if uneven and visits < i32(steps):
            clear(
                y + away * y_away, y_step, y_row, first, last, steps, turned, order, first_row, rows, first_unit, size,
                thread,
            )  # fmt: skip
        sync_cluster()  # so that none ends before its peers, should waits have been given up

    return annotated(kernel)
