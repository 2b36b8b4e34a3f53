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
    flags: Array | None
    """(D, T + 1, B) uint8; None where lengths say it all."""


def tables_of_lengths(lengths: Array, steps: int, directions: tuple[int, ...]) -> RaggedTables:
    """Return the tables of rows with these lengths (B,), for directions, 0 forward and 1 backward.

    >>> tables_of_lengths(np.array([1, 4, 2]), 4, (0, 1))[:2]
    (array([1, 2, 0], dtype=int32), array([[[0, 4]],
    <BLANKLINE>
           [[0, 4]]], dtype=int32))
    """
    order: Array = np.empty(len(lengths), np.int32)
    spans: Array = np.zeros((len(directions), -(-len(lengths) // ROWS), 2), np.int32)
    write_tables_of_lengths(order, spans, lengths, steps, directions)
    return RaggedTables(order, spans, None)


def write_tables_of_lengths(
    order: Array, spans: Array, lengths: Array, steps: int, directions: tuple[int, ...]
) -> None:
    """Write the same tables, `spans` where there are zeros."""
    found = (-lengths).argsort(kind="stable")
    order[:] = found
    most = lengths[found[::ROWS]]  # of a tile its first
    for span, direction in zip(spans, directions, strict=True):
        if direction:
            span[:, 0], span[:, 1] = steps - most, steps
        else:
            span[:, 1] = most


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
