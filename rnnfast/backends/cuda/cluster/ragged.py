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
    flags[:, 1:] = live * LIVE
    flags[:, :-1] += cut * np.uint8(CUT)
    acts = np.zeros((directions, steps + 1, batch), bool)
    acts[:, :-1] = flags[:, 1:] != 0  # a visit that neither is live nor has a cut after it changes nothing
    some = acts.any(axis=1)
    first, last = acts.argmax(axis=1), np.where(some, steps + 1 - acts[:, ::-1].argmax(axis=1), 0)
    order = np.argsort(-(last - first).max(axis=0), kind="stable")
    spans = np.empty((directions, -(-batch // ROWS), 2), np.int32)
    for tile in range(spans.shape[1]):
        rows = order[tile * ROWS : (tile + 1) * ROWS]
        beginning = np.where(some, first, steps)[:, rows].min(axis=1)
        spans[:, tile, 1] = last[:, rows].max(axis=1)
        spans[:, tile, 0] = np.minimum(beginning, spans[:, tile, 1])
    return RaggedTables(order.astype(np.int32), spans, flags)
