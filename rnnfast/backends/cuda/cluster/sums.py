"""The sums of a visit: each warp's products of its weights with its part of h, and what all parts of a cell make."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from rnnfast.backends.cuda.cluster.shape import CELLS, PARTS, TILE_WORDS, Shape

u32, f32 = np.uint32, np.float32
ZERO = f32(0)


def summer(ops: Any, shape: Shape, gates: int, products: SimpleNamespace, *, scaled: bool) -> SimpleNamespace:
    """Return `leave`, before which slots are read and after which a block meets, and `gather`.

    `leave(sums, weights, from_slot, part_to, slot)` puts the sums of a warp's part into shared memory: `from_slot` is
    where its lane's words lie in the first slot, `part_to` where its first cell's sums go. `gather(part_from, slot,
    inverses, inverse)` is the four sums of the cell whose first part lies there; if `scaled`, in the scales whose
    inverses lie there, [gate], and that of its row, and of three gates the fourth is the bias.
    """
    add, multiply, multiply_tile, lower = ops.add, ops.multiply, products.multiply, products.lower
    load_words4, load4, store4 = ops.load_shared_words4, ops.load_shared4, ops.store_shared4
    pairs = (gates + 1) // 2
    depth, slot_size, sums_size, held = shape.depth, shape.slot, shape.sums, 12 * pairs

    def leave(sums, weights, from_slot, part_to, slot):
        for j in range(held):
            sums[j] = ZERO
        words_at = add(from_slot, multiply(slot, u32(slot_size)))
        for k in range(depth):
            w0, w1, w2, w3 = load_words4(add(words_at, u32(k * TILE_WORDS * 4)))
            multiply_tile(sums, weights, k, w0, w1, w2, w3)
        for m in range(pairs):
            for j in range(12 * m, 12 * m + 4):
                sums[j] = sums[j] + (sums[j + 4] + sums[j + 8]) * lower
        even = add(part_to, multiply(slot, u32(sums_size)))  # of even rows, then of odd ones
        odd = add(even, u32(512))
        if pairs > 1:
            store4(even, sums[0], sums[2], sums[12], sums[14])
            store4(odd, sums[1], sums[3], sums[13], sums[15])
        else:
            store4(even, sums[0], sums[2], ZERO, ZERO)
            store4(odd, sums[1], sums[3], ZERO, ZERO)

    def gather(part_from, slot, inverses, inverse):
        at = add(part_from, multiply(slot, u32(sums_size)))
        s0, s1, s2, s3 = load4(at)
        for k in range(1, PARTS):
            r = load4(add(at, u32(k * CELLS * 16)))
            s0, s1, s2, s3 = s0 + r[0], s1 + r[1], s2 + r[2], s3 + r[3]
        if scaled:
            r = load4(inverses)
            # scales first: sums times one of them alone may be beyond float32
            s0, s1, s2 = s0 * (inverse * r[0]), s1 * (inverse * r[1]), s2 * (inverse * r[2])
            s3 = s3 * (inverse * r[3]) if gates > 3 else r[3]
        return s0, s1, s2, s3

    return SimpleNamespace(leave=ops.inline(leave), gather=ops.inline(gather))
