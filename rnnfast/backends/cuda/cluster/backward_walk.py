"""Where a thread's numbers of each visit are in backward."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.backends.cuda.cluster.shape import HALVES

i32, u64 = np.int32, np.uint64
NONE = u64(0)


def walker(ops: Any, slots: int) -> Any:
    """Return the function that says where the numbers are of the first visit, the last one, of a thread's half.

    That is how many steps on the next is; how far from its t the states after a visit and before it are; in bytes,
    where its numbers are in (T, B, H) and in rows of `slots`; addresses in dy and in flags; and the bound from which
    on, or if `turned` up to which, visits are within the row's length, counted from the last one.
    """

    def begin(dy, dy_step, dy_row, flags, steps, batch, last, half, turned, b, own, in_row, step_bytes, length):
        visit = last - i32(1) - i32(half)
        t = i32(steps) - i32(1) - visit if turned else visit
        ahead = u64(HALVES) if turned else NONE - u64(HALVES)
        after, before = (NONE, step_bytes) if turned else (step_bytes, NONE)
        in_step = u64(t) * step_bytes + in_row
        wide = in_step + u64(slots - 1) * (in_step - u64(own) * u64(4))
        dy_at = dy + u64(t) * dy_step + u64(b) * dy_row + u64(own) * u64(4)
        flags_at = flags + u64(visit) * u64(batch) + u64(b)
        bound = i32(length - i32(steps) + last) if turned else i32(last - length)
        return ahead, after, before, in_step, wide, dy_at, flags_at, bound

    return ops.inline(begin)
