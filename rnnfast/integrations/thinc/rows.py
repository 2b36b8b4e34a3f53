"""Rows of thinc's padded sequences without their padding, step by step, laid out as a batch with lengths, and back."""

from __future__ import annotations

import numpy as np

from rnnfast.arrays.host import dense
from rnnfast.problem import Array


class Rows:
    """Places of the rows of all steps, (N, ·), in a batch (T, B, ·) whose sequences go from longest to shortest.

    `size_at_t` (T,): how many rows each step has; `count`: N. Raises ValueError where a step has more rows than the one
    before, or all steps others than N, TypeError where these are no integers. Beyond a sequence's end stands whatever
    the memory held: nobody reads it.

    >>> rows = Rows(np.array([2, 1, 1]), 4)
    >>> rows.lengths, rows.laid_out(np.ones((4, 5))).shape
    (array([3, 1]), (3, 2, 5))
    """

    def __init__(self, size_at_t: Array, count: int) -> None:
        if size_at_t.ndim != 1 or size_at_t.dtype.kind not in "iu":
            raise TypeError(f"size_at_t is {size_at_t.dtype} of shape {size_at_t.shape}, expected integers (T,)")
        sizes = size_at_t.tolist()
        if sizes != sorted(sizes, reverse=True) or (sizes and sizes[-1] < 0):
            raise ValueError(
                f"size_at_t {sizes} grows or is negative: sort sequences by length, longest first, as list2padded does"
            )
        if count != sum(sizes):
            raise ValueError(f"X has {count} rows, expected {sum(sizes)}, the sum of size_at_t")
        self.steps, self.batch = len(sizes), sizes[0] if sizes else 0
        self.count = count
        self.lengths: Array | None = None
        """(B,) int64; None: every sequence has all steps."""
        self._index: Array | None = None
        if self.count < self.steps * self.batch:
            live = np.arange(self.batch) < np.array(sizes)[:, None]
            self.lengths, self._index = live.sum(axis=0, dtype=np.int64), np.flatnonzero(live)

    def laid_out(self, rows: Array) -> Array:
        """Return rows (N, F) as (T, B, F), C-contiguous."""
        if self._index is not None:
            room = np.empty((self.steps * self.batch, rows.shape[1]), rows.dtype)
            room[self._index] = rows
            rows = room
        return dense(rows).reshape(self.steps, self.batch, rows.shape[1])

    def taken(self, batch: Array) -> Array:
        """Return (T, B, F), C-contiguous, as rows (N, F)."""
        flat = batch.reshape(self.steps * self.batch, batch.shape[2])
        return flat if self._index is None else flat[self._index]
