"""A visit of a row, one unit: what its cell makes of it where the row is live, what is carried on where it is not."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.backends.cuda.cluster.cells import ClusterCell

ZERO = np.float32(0)


def visitor(ops: Any, cell: ClusterCell, uneven: bool) -> Any:
    """Return the function (sums, inputs, h, c, live, cut) -> four slots, h', c', y, c recorded.

    h' and c' are what enters the next visit, zeros after a cut.
    """
    update = cell.update(ops)

    def visited(s0, s1, s2, s3, x0, x1, x2, x3, h_old, c_old, live, cut):
        g0, g1, g2, g3, h, c = update(s0, s1, s2, s3, x0, x1, x2, x3, h_old, c_old)
        shown, c_shown = h, c
        if uneven:
            if not live:
                shown, h, c, c_shown = ZERO, h_old, c_old, c_old
            if cut:
                h, c = ZERO, ZERO
        return g0, g1, g2, g3, h, c, shown, c_shown

    return ops.inline(visited)
