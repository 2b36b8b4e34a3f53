"""What a cell writes for backward; the package says how it is laid out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

u64 = np.uint64
NONE = u64(0)


def recorder(ops: Any, slots: int, has_c: bool, masked: bool) -> SimpleNamespace:
    """Return `states(to_h, to_c, to_operand, at, h, c, entering)` and `gates(to, at, own, row_bytes, g0 .. g3)`.

    `at` is the cell's offset in bytes in (·, B, H), `own` its unit, `entering` h times its mask, written if `masked`.
    """
    store = ops.store

    def states(to_h, to_c, to_operand, at, h, c, entering):
        store(to_h + at, h)
        if has_c:
            store(to_c + at, c)
        if masked and to_operand != NONE:
            store(to_operand + at, entering)

    def gates(to, at, own, row_bytes, g0, g1, g2, g3):
        to = to + (at + u64(slots - 1) * (at - u64(own) * u64(4)))
        store(to, g0)
        if slots > 1:
            store(to + row_bytes, g1)
            store(to + u64(2) * row_bytes, g2)
            store(to + u64(3) * row_bytes, g3)

    return SimpleNamespace(states=ops.inline(states), gates=ops.inline(gates))
