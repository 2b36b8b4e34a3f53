"""What a thread keeps of W_hh for all steps, and the scales of its rows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from rnnfast.backends.cuda.cluster.products import SHIFT, scales
from rnnfast.backends.cuda.cluster.shape import PARTS, UNITS, Shape

i32, u32, u64, f32 = np.int32, np.uint32, np.uint64, np.float32
ZERO, NOTHING, SIZE = f32(0), u32(0), u32(0x7FFFFFFF)


def weights_holder(ops: Any, shape: Shape, gates: int, products: SimpleNamespace) -> SimpleNamespace:
    """Return the two parts of the work, between which a block meets.

    `load(weights, base, address, size, first unit, group, part, lane)` takes rows of W_hh and leaves the largest weight
    of each in shared memory; `split(weights, base, group, lane)` makes them operands, and `inverses(base, bias,
    units, thread)` leaves what the sums of each row are to be multiplied by, [unit][gate], after three gates a bias.
    """
    load4, load1, bits, store_number = ops.load_constant4, ops.load_constant, ops.bits, ops.store_shared
    shuffle, store, load_word, scale = ops.shuffle_xor, ops.store_shared_word, ops.load_shared_word, scales(ops)
    depth, pairs, split_tiles = shape.depth, (gates + 1) // 2, products.split
    largest, inverses_at = shape.largest_weights, shape.inverses

    def four(row, column, size):
        """Return the bits of weights column .. column + 3 of the row at an address, zeros beyond its end."""
        at = row + u64(column) * u64(4)
        if column + i32(4) <= size and at & u64(15) == u64(0):
            w0, w1, w2, w3 = load4(at)
            return bits(w0), bits(w1), bits(w2), bits(w3)
        w0 = bits(load1(at)) if column < size else NOTHING
        w1 = bits(load1(at + u64(4))) if column + i32(1) < size else NOTHING
        w2 = bits(load1(at + u64(8))) if column + i32(2) < size else NOTHING
        w3 = bits(load1(at + u64(12))) if column + i32(3) < size else NOTHING
        return w0, w1, w2, w3

    four = ops.inline(four)

    def larger(a, b):
        b = b & SIZE
        return a if a > b else b

    larger = ops.inline(larger)

    def load(weights, base, address, size, first_unit, group, part, lane):
        unit, column = group * u32(8) + (lane >> u32(2)), part * u32(16 * depth) + (lane & u32(3)) * u32(4)
        inside = i32(first_unit + unit) < size
        for gate in range(2 * pairs):
            most, at = NOTHING, address + (u64(gate) * u64(size) + u64(first_unit + unit)) * u64(size) * u64(4)
            for k in range(depth):
                f = (gate // 2 * depth + k) * 8 + gate % 2 * 4
                w0, w1, w2, w3 = NOTHING, NOTHING, NOTHING, NOTHING
                if gate < gates and inside:
                    w0, w1, w2, w3 = four(at, i32(column) + i32(16 * k), size)
                weights[f], weights[f + 1], weights[f + 2], weights[f + 3] = w0, w1, w2, w3
                most = larger(larger(larger(larger(most, w0), w1), w2), w3)
            most = larger(most, shuffle(most, u32(1)))
            most = larger(most, shuffle(most, u32(2)))
            if lane & u32(3) == NOTHING:
                store(u32(base + u32(largest) + ((part * u32(4) + u32(gate)) * u32(UNITS) + unit) * u32(4)), most)

    def exponent(base, gate, unit):
        """Return the biased exponent of the largest weight of a row."""
        most, at = NOTHING, base + u32(largest) + (u32(gate) * u32(UNITS) + unit) * u32(4)
        for part in range(PARTS):
            most = larger(most, load_word(u32(at + u32(part * 4 * UNITS * 4))))
        return u32(most >> SHIFT)

    exponent = ops.inline(exponent)

    def split(weights, base, group, lane):
        unit = group * u32(8) + (lane >> u32(2))
        for m in range(pairs):
            even, _ = scale(exponent(base, 2 * m, unit))
            odd, _ = scale(exponent(base, 2 * m + 1, unit))
            split_tiles(weights, even, odd, m)

    def inverses(base, bias, units, thread):
        if thread < u32(4 * UNITS):
            gate, unit = thread & u32(3), thread >> u32(2)
            found = ZERO
            if gate < u32(gates):
                _, found = scale(exponent(base, gate, unit))
            elif bias != u64(0) and i32(unit) < units:
                found = load1(bias + u64(unit) * u64(4))
            store_number(u32(base + u32(inverses_at) + thread * u32(4)), found)

    return SimpleNamespace(load=ops.inline(load), split=ops.inline(split), inverses=ops.inline(inverses))
