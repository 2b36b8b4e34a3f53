"""How the blocks of a cluster exchange h: each sends its words into the shared memory of all, its own too.

Words of even and odd visits have a slot and a barrier each. A slot is full, and its barrier's phase over, when the
words of all units of the tile's rows are there. No block sends those of visit v + 2 before it has all of visit v + 1,
which nobody sends before reading those of visit v: so two slots are enough, and only words have to be waited for.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from rnnfast.backends.cuda.cluster.backward_shape import BackwardShape
from rnnfast.backends.cuda.cluster.shape import Shape

u32 = np.uint32
FOUR = 4
"""Units of neighbouring lanes whose words travel together."""


def exchange(ops: Any, shape: Shape | BackwardShape, patience: int) -> SimpleNamespace:
    """Return the operations of an exchange.

    `begin(base, bytes)`, by one thread, makes the barriers for slots of so many bytes. `peers(found, base, blocks,
    lane)` are those that a lane sends to. `send(found, at, slot, word, lane, may)`: `at` is where this lane's word lies
    in a block's first slot, from its shared memory's beginning. `wait(base, slot, parity)` returns whether the slot was
    full within `patience` looks; `again(base, slot, bytes)`, by one thread, prepares its next use.
    """
    init, fence, expect, is_over = ops.barrier_init, ops.barrier_init_fence, ops.expect, ops.is_over
    add, multiply, in_peer, shuffle, send4 = ops.add, ops.multiply, ops.in_peer, ops.shuffle, ops.send4
    barriers, slot_size, count = shape.barriers, shape.slot, shape.depth

    def barrier(base, slot):
        return add(add(base, u32(barriers)), multiply(slot, u32(8)))

    barrier = ops.inline(barrier)

    def begin(base, size):
        init(barrier(base, u32(0)), u32(1))
        init(barrier(base, u32(1)), u32(1))
        fence()
        expect(barrier(base, u32(0)), size)
        expect(barrier(base, u32(1)), size)

    def peers(found, base, blocks, lane):
        for i in range(count):
            rank = u32(FOUR * i) + (lane >> u32(2) & u32(3))
            found[i] = in_peer(base, rank) if rank < blocks else u32(0)

    def send(found, at, slot, word, lane, may):
        first, to = lane & u32(19), add(at, multiply(slot, u32(slot_size)))  # the lane of the four's first unit
        w0, w1 = shuffle(word, first), shuffle(word, first | u32(4))
        w2, w3 = shuffle(word, first | u32(8)), shuffle(word, first | u32(12))
        to = to - (lane & u32(12))
        if may:
            for i in range(count):
                if found[i] != u32(0):
                    send4(add(found[i], to), barrier(found[i], slot), w0, w1, w2, w3)

    def wait(base, slot, parity):
        looks = 0
        while is_over(barrier(base, slot), parity) == u32(0):
            looks += 1
            if looks > patience:
                return False
        return True

    def again(base, slot, size):
        expect(barrier(base, slot), size)

    inline = ops.inline
    return SimpleNamespace(
        begin=inline(begin), peers=inline(peers), send=inline(send), wait=inline(wait), again=inline(again)
    )
