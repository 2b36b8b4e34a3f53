"""What a cell backward reads of a visit: recorded gates and states, dL/dy, whether it is live and cut."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.backends.cuda.cluster import ragged
from rnnfast.backends.cuda.cluster.gradients import ClusterGradient

i32, f32, u32, u64 = np.int32, np.float32, np.uint32, np.uint64
ZERO, NOTHING, NONE = f32(0), u32(0), u64(0)
LIVE, CUT = u32(ragged.LIVE), u32(ragged.CUT)


def cell_reader(ops: Any, cell: ClusterGradient, uneven: bool) -> Any:
    """Return the function that loads values: four gates, the state after, the state before, dL/dy.

    And marks, the flags of the visit before and of this one. `after` and `before`: how far from t the states are in
    c (T + 1, B, H), in h that before. What is not live is not read.
    """
    load, load_byte = ops.load_constant, ops.load_constant_byte
    slots, reads_c, reads_h = cell.slots, cell.reads_c, cell.reads_h

    @ops.inline
    def read(values, marks, gates_at, row_bytes, c_at, h_at, after, before, dy, dy_at, flags, flags_at, batch):
        if uneven and flags != NONE:
            marks[0], marks[1] = load_byte(flags_at), load_byte(flags_at + batch)
        for k in range(7):
            values[k] = ZERO
        if not uneven or marks[1] & LIVE != NOTHING:
            for k in range(slots):
                values[k] = load(gates_at + u64(k) * row_bytes)
            if reads_c:
                values[4] = load(c_at + after)
                values[5] = load(c_at + before) if not uneven or marks[0] & CUT == NOTHING else ZERO
            if reads_h:
                values[5] = load(h_at + before)
            if dy != NONE:
                values[6] = load(dy_at)

    return read


def arrival(ops: Any) -> Any:
    """Return the function that says whether the product of the visit after that of t was one of a live step.

    `lived(flags of that visit, t, turned, length)`. What is not live has no product: not even zeros times weights,
    which need not be finite.
    """

    @ops.inline
    def lived(flags, t, turned, length):
        after = t - i32(1) if turned else t + i32(1)
        return flags & LIVE != NOTHING and after < length

    return lived
