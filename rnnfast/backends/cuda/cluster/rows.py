"""The rows of a tile: which of the batch they are, how large their states, and zeros where none is live."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.backends.cuda.cluster import ragged
from rnnfast.backends.cuda.cluster.products import SHIFT, scales
from rnnfast.backends.cuda.cluster.shape import HALVES, ROWS, UNITS, Shape

i32, u32, u64, f32 = np.int32, np.uint32, np.uint64, np.float32
ZERO, NOTHING, NONE, SIZE, INFINITE = f32(0), u32(0), u64(0), u32(0x7FFFFFFF), u32(0x7F800000)
UNIT_EXPONENT = u32(127)
"""The biased exponent of numbers from 1 to 2."""
CUT = u32(ragged.CUT)
LANES = 32
UNIT_BITS, ROW_BITS = UNITS.bit_length() - 1, ROWS.bit_length() - 1


def row_finder(ops: Any, ragged: bool) -> Any:
    """Return the function from (order, the tile's first row, row of the tile) to the row of the batch."""
    load_word = ops.load_constant_word

    def row_of(order, first_row, row):
        place = first_row + row
        if ragged and order != NONE:
            return u32(load_word(order + u64(place) * u64(4)))
        return u32(place)

    return ops.inline(row_of)


def row_measurer(ops: Any, shape: Shape, uneven: bool) -> Any:
    """Return what a warp does for one row: leave the largest finite |h0| and factor of its mask in shared memory.

    They are left as bits. An infinite h0 has no scale, and may be gone after a step, unlike the scales.

    `measure(base, h0, mask, flags, order, first_row, rows, size, row, lane)`; flags and mask are read if `uneven`.
    """
    row_of, load_byte = row_finder(ops, uneven), ops.load_constant_byte
    load, bits, shuffle, store = ops.load_constant, ops.bits, ops.shuffle_xor, ops.store_shared_word
    states_at = shape.largest_states

    def larger(a, b):
        return a if a > b else b

    larger = ops.inline(larger)

    def measure(base, h0, mask, flags, order, first_row, rows, size, row, lane):
        inside = i32(row) < rows
        place = row_of(order, first_row, row) if inside else u32(0)
        fresh = uneven and inside and flags != NONE and load_byte(flags + u64(place)) & CUT != NOTHING
        reads_h, reads_mask = inside and not fresh and h0 != NONE, uneven and inside and mask != NONE
        state, factor = NOTHING, NOTHING
        at = u64(place) * u64(size) * u64(4) + u64(lane) * u64(4)
        for _ in range(i32(lane), size, LANES):
            if reads_h:
                size_of_h = bits(load(h0 + at)) & SIZE
                state = larger(state, size_of_h if size_of_h < INFINITE else NOTHING)
            if reads_mask:
                factor = larger(factor, bits(load(mask + at)))
            at = at + u64(4 * LANES)
        for distance in (1, 2, 4, 8, 16):
            state = larger(state, shuffle(state, u32(distance)))
            factor = larger(factor, shuffle(factor, u32(distance)))
        if lane == NOTHING:
            store(u32(base + u32(states_at) + row * u32(4)), state)
            store(u32(base + u32(states_at + 4 * ROWS) + row * u32(4)), factor)

    return ops.inline(measure)


def row_scales(ops: Any, shape: Shape, forgets: bool) -> Any:
    """Return the function (base, row) -> the scale of h0 times its mask and its inverse, and of later h.

    `forgets`: those are at most 1, whatever h0 was.
    """
    load_word, scale, states_at = ops.load_shared_word, scales(ops), shape.largest_states

    def exponent(base, row):
        found = load_word(u32(base + row * u32(4))) >> SHIFT
        return u32(found if found > UNIT_EXPONENT else UNIT_EXPONENT)

    exponent = ops.inline(exponent)

    def scales_of(base, row):
        state = exponent(u32(base + u32(states_at)), row)
        factor = exponent(u32(base + u32(states_at + 4 * ROWS)), row) - UNIT_EXPONENT
        first, first_inverse = scale(u32(state + factor + u32(1)))  # a product of two below 2 is below 4
        later, later_inverse = scale(u32(UNIT_EXPONENT + factor) if forgets else u32(state + factor + u32(1)))
        return first, first_inverse, later, later_inverse

    return ops.inline(scales_of)


def scale_follower(ops: Any, forgets: bool) -> Any:
    """Return the function (late, live, cut) -> whether a row whose steps are not all live has the scale of later h.

    That is after a visit, `late` where it had before: h0 stays until a step is live, if that `forgets` it, or a reset
    cuts. It has to be the same for all of a row.
    """

    def follow(late, live, cut):
        return late or cut or (forgets and live)

    return ops.inline(follow)


def clearer(ops: Any) -> Any:
    """Return what a block does where none of a tile's rows is live: make what `to` (T, B, ·) shows of its units zeros.

    `clear(to, step, row_step, before, behind, end, order, first_row, rows, first_unit, size, thread)`: of steps
    t < before and behind <= t < end; `step` and `row_step` are bytes from one t and one b to the next. A thread keeps
    to a unit of a row, so that nothing stands between one of its stores and the next.
    """
    store, row_of = ops.store, row_finder(ops, ragged=True)

    def clear(to, step, row_step, before, behind, end, order, first_row, rows, first_unit, size, thread):
        unit, row = first_unit + (thread & u32(UNITS - 1)), (thread >> u32(UNIT_BITS)) & u32(ROWS - 1)
        half = i32(thread >> u32(UNIT_BITS + ROW_BITS))
        if i32(row) < rows and i32(unit) < size:
            to = to + u64(row_of(order, first_row, row)) * row_step + u64(unit) * u64(4)
            far = u64(HALVES) * step
            at = to + u64(half) * step
            for _ in range(half, before, HALVES):
                store(at, ZERO)
                at = at + far
            at = to + u64(behind + half) * step
            for _ in range(behind + half, end, HALVES):
                store(at, ZERO)
                at = at + far

    return ops.inline(clear)
