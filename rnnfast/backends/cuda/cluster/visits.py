"""A visit of a row, one unit: what its cell makes of it where the row is live, what is carried on where it is not."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.backends.cuda.cluster import ragged
from rnnfast.backends.cuda.cluster.cells import ClusterCell

f32, u32 = np.float32, np.uint32
ZERO, NOTHING, LIVE, CUT = f32(0), u32(0), u32(ragged.LIVE), u32(ragged.CUT)


def visitor(ops: Any, cell: ClusterCell, uneven: bool) -> Any:
    """Return the function (sums, inputs, h, c, flag, within) -> four slots, h', c', y, c recorded, live.

    `within`: the visit is one of the row's length. h' and c' are what enters the next visit, zeros after a cut.
    """
    update = cell.update(ops)

    def visited(s0, s1, s2, s3, x0, x1, x2, x3, h_old, c_old, flag, within):
        g0, g1, g2, g3, h, c = update(s0, s1, s2, s3, x0, x1, x2, x3, h_old, c_old)
        shown, c_shown, live = h, c, True
        if uneven:
            live = flag & LIVE != NOTHING and within
            if not live:
                shown, h, c, c_shown = ZERO, h_old, c_old, c_old
            if flag & CUT != NOTHING:
                h, c = ZERO, ZERO
        return g0, g1, g2, g3, h, c, shown, c_shown, live

    return ops.inline(visited)
