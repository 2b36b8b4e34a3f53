"""What the cluster kernels read of rows that differ: in which order they fill tiles, which visits a tile has, flags."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnnfast.backends.cuda.cluster.shape import ROWS
from rnnfast.problem import Array

LIVE, CUT = 1, 2
"""Bits of flags: the visit is live, a reset cuts after it."""


class RaggedTables(NamedTuple):
    """Arrays for the kernels' arguments of these names; arguments.py describes them."""

    order: Array
    """(B,) int32."""
    spans: Array
    """(D, tiles, 2) int32."""
    flags: Array
    """(D, T + 1, B) uint8."""


def tables_of_flags(live: Array, cut: Array) -> RaggedTables:
    """Return the tables of live visits and of those before which the state becomes zeros, both (D, T, B) bool."""
    directions, steps, batch = live.shape
    flags = np.zeros((directions, steps + 1, batch), np.uint8)
    flags[:, 1:] = live
    flags[:, :-1] |= cut.view(np.uint8) * np.uint8(CUT)
    acts = np.ones((directions, steps + 2, batch), bool)
    np.not_equal(flags[:, 1:], 0, out=acts[:, 1:-1])  # a visit that neither is live nor has a cut after it does nothing
    first = acts[:, 1:].argmax(axis=1)  # T where none acts
    last = steps - acts[:, -2::-1].argmax(axis=1)
    order = (first - last).min(axis=0).argsort(kind="stable")
    spans = np.empty((directions, -(-batch // ROWS), 2), np.int32)
    tiles = np.arange(0, batch, ROWS)
    spans[:, :, 1] = np.maximum.reduceat(last.take(order, axis=1), tiles, axis=1)
    spans[:, :, 0] = np.minimum.reduceat(first.take(order, axis=1), tiles, axis=1)
    np.minimum(spans[:, :, 0], spans[:, :, 1], out=spans[:, :, 0])
    return RaggedTables(order.astype(np.int32), spans, flags)
