"""What a cell backward reads of a visit: recorded gates and states, dL/dy, whether it is live and cut."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.backends.cuda.cluster.gradients import ClusterGradient

u64 = np.uint64
NONE = u64(0)


def cell_reader(ops: Any, cell: ClusterGradient, uneven: bool) -> Any:
    """Return the function that loads values: four gates, the state after, the state before, dL/dy.

    And marks, the flags of the visit before and of this one. `after` and `before`: how far from t the states are in
    c (T + 1, B, H), in h that before. It does not wait for flags: of what is not live, or cut before, what is read may
    be anything.
    """
    load, load_byte = ops.load_constant, ops.load_constant_byte
    slots, reads_c, reads_h = cell.slots, cell.reads_c, cell.reads_h

    @ops.inline
    def read(values, marks, gates_at, row_bytes, c_at, h_at, after, before, dy, dy_at, flags, flags_at, batch):
        if uneven and flags != NONE:
            marks[0], marks[1] = load_byte(flags_at), load_byte(flags_at + batch)
        for k in range(slots):
            values[k] = load(gates_at + u64(k) * row_bytes)
        if reads_c:
            values[4] = load(c_at + after)
            values[5] = load(c_at + before)
        if reads_h:
            values[5] = load(h_at + before)
        if dy != NONE:
            values[6] = load(dy_at)

    return read
