"""The recurrent product backward: d of a block's units times their rows of W_hh, in TF32 with float32's accuracy.

W_hh, transposed, is the matrix of 16 rows of a matrix instruction, d that of 8 columns, a tile's rows. Numbers of k are
[unit][gate] in d, so that a cell's four are a word of 16 bytes, which is a lane's share of a k tile.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from rnnfast.backends.cuda.cluster.backward_shape import BAND_BYTES, TILE_WORDS, BackwardShape
from rnnfast.backends.cuda.cluster.shape import ROWS, UNITS
from rnnfast.backends.cuda.gemm.arithmetic import tf32_parts

i32, u32, u64, f32 = np.int32, np.uint32, np.uint64, np.float32
ZERO, NOTHING = f32(0), u32(0)
HALF = i32(ROWS // 2)
HELD = 16
"""Words that a thread keeps of a band's k tile: eight weights, high and low."""


def recurrent_product(ops: Any, shape: BackwardShape, gates: int) -> SimpleNamespace:
    """Return the operations of a warp, which has the bands first, first + across, .. and a part of k.

    `load(weights, address, size, first unit of the block, first band, part, lane)`, and `multiply(sums, weights, band,
    gradients, part, lane)`, which makes sums (4): of units g and g + 8 of the band, rows 2 q and 2 q + 1.
    """
    load_weight, bits, load_words4, mma = ops.load_constant, ops.bits, ops.load_shared_words4, ops.mma_tf32
    high, low = tf32_parts(ops)
    bands, tiles, across, numbers = shape.bands, shape.tiles, shape.across, shape.numbers

    @ops.inline
    def load(weights, address, size, first_unit, first_band, part, lane):
        g, q = u32(lane >> u32(2)), u32(lane & u32(3))
        for band in range(bands):
            for k in range(tiles):
                for e in range(4):
                    place = u32(part * u32(tiles) + u32(k)) * u32(16) + u32(4) * q + u32(e)
                    source, gate = u32(first_unit + place // u32(numbers)), u32(place % u32(numbers))
                    for h in range(2):
                        unit = u32((first_band + u32(band * across)) * u32(UNITS) + g + u32(8 * h))
                        word = NOTHING
                        if source < size and unit < size and gate < u32(gates):
                            row = u64(gate) * u64(size) + u64(source)
                            word = bits(load_weight(u64(address + (row * u64(size) + u64(unit)) * u64(4))))
                        at = (band * tiles + k) * HELD + 2 * e + h
                        weights[at], weights[at + 8] = high(word), low(word)

    @ops.inline
    def step(sums, at, weights, f, b0, b1):
        r = mma(
            sums[at], sums[at + 1], sums[at + 2], sums[at + 3],
            weights[f], weights[f + 1], weights[f + 2], weights[f + 3], b0, b1,
        )  # fmt: skip
        sums[at], sums[at + 1], sums[at + 2], sums[at + 3] = r[0], r[1], r[2], r[3]

    @ops.inline
    def multiply(sums, weights, gradients, part, lane):
        for i in range(12 * bands):
            sums[i] = ZERO
        for k in range(tiles):
            d = load_words4(u32(gradients + ((part * u32(tiles) + u32(k)) * u32(TILE_WORDS) + lane * u32(4)) * u32(4)))
            for pair in range(2):
                b0, b1 = high(d[2 * pair]), high(d[2 * pair + 1])
                l0, l1 = low(d[2 * pair]), low(d[2 * pair + 1])
                for band in range(bands):
                    at, f = 12 * band, (band * tiles + k) * HELD + 4 * pair
                    step(sums, at, weights, f, b0, b1)
                    step(sums, at + 4, weights, f, l0, l1)
                    step(sums, at + 8, weights, f + 8, b0, b1)
        for band in range(bands):
            for i in range(4):
                at = 12 * band + i
                sums[at] = sums[at] + (sums[at + 4] + sums[at + 8])

    return SimpleNamespace(load=load, multiply=multiply)


def sender(ops: Any) -> Any:
    """Return what sends a band's sums of a warp to the block they belong to, 16 bytes a lane.

    `send(sums, at, slot, barrier, lane, rows)`: sums[at : at + 4] of each lane; `slot`, where this source's sums lie,
    and `barrier` are addresses there. A lane of even q has four rows of unit g, of odd q of unit g + 8. Of a tile of up
    to 4 `rows` the first four alone are sent, half as many bytes.
    """
    bits, shuffle_xor, send4 = ops.bits, ops.shuffle_xor, ops.send4

    @ops.inline
    def send(sums, at, slot, barrier, lane, rows):
        odd = (lane & u32(1)) != NOTHING
        x0, x1, z0, z1 = bits(sums[at]), bits(sums[at + 1]), bits(sums[at + 2]), bits(sums[at + 3])
        got0, got1 = shuffle_xor(x0 if odd else z0, u32(1)), shuffle_xor(x1 if odd else z1, u32(1))
        unit, half = u32((lane >> u32(2)) + (lane & u32(1)) * u32(8)), u32((lane >> u32(1)) & u32(1))
        w0, w1, w2, w3 = (got0, got1, z0, z1) if odd else (x0, x1, got0, got1)
        if half == NOTHING or rows > HALF:
            send4(u32(slot + (half * u32(UNITS) + unit) * u32(16)), barrier, w0, w1, w2, w3)

    return send


def receiver(ops: Any, shape: BackwardShape) -> Any:
    """Return the function (slot, cell) -> the sum of all sources, in one order; of those not there it is zero."""
    load_shared, sources = ops.load_shared, shape.sources

    @ops.inline
    def receive(slot, cell):
        at = u32(slot + cell * u32(4))
        s0, s1, s2, s3 = ZERO, ZERO, ZERO, ZERO  # four chains, which do not wait for one another
        for source in range(0, sources, 4):
            s0 += load_shared(u32(at + u32(source * BAND_BYTES)))
            s1 += load_shared(u32(at + u32((source + 1) * BAND_BYTES)))
            s2 += load_shared(u32(at + u32((source + 2) * BAND_BYTES)))
            s3 += load_shared(u32(at + u32((source + 3) * BAND_BYTES)))
        return (s0 + s1) + (s2 + s3)

    return receive
