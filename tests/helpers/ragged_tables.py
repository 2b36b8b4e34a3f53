"""Tables of rows that are not all live as NumPy makes them: what the device's are held against."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnnfast.backends.common.layers import timetable, visit
from rnnfast.backends.cuda.cells import FROM_START, FROM_ZEROS
from rnnfast.backends.cuda.cluster.ragged import CUT
from rnnfast.backends.cuda.cluster.shape import ROWS
from rnnfast.problem import Array

Given = tuple[Array | None, Array | None, Array | None]
"""Lengths (B,), mask and resets (T, B)."""


class TileTables(NamedTuple):
    """What the cluster kernels take by these names."""

    order: Array
    """(B,) int32."""
    spans: Array
    """(D, tiles, 2) int32."""
    flags: Array
    """(D, T + 1, B) uint8."""


def tile_tables(shape: tuple[int, int], given: Given, directions: tuple[int, ...], tile_rows: int = ROWS) -> TileTables:
    """Return the tables of directions, 0 forward and 1 backward, for tiles of so many rows."""
    both = zip(*[timetable(shape, *given, each) for each in directions], strict=True)
    live, cut = (np.stack(each) for each in both)
    count, steps, batch = live.shape
    flags = np.zeros((count, steps + 1, batch), np.uint8)
    flags[:, 1:] = live
    flags[:, :-1] |= cut.view(np.uint8) * np.uint8(CUT)
    acts = np.ones((count, steps + 2, batch), bool)
    np.not_equal(flags[:, 1:], 0, out=acts[:, 1:-1])  # a visit that neither is live nor has a cut after it does nothing
    first = acts[:, 1:].argmax(axis=1)  # T where none acts
    last = steps - acts[:, -2::-1].argmax(axis=1)
    order = (first - last).min(axis=0).argsort(kind="stable")
    spans = np.empty((count, -(-batch // tile_rows), 2), np.int32)
    tiles = np.arange(0, batch, tile_rows)
    spans[:, :, 1] = np.maximum.reduceat(last.take(order, axis=1), tiles, axis=1)
    spans[:, :, 0] = np.minimum.reduceat(first.take(order, axis=1), tiles, axis=1)
    np.minimum(spans[:, :, 0], spans[:, :, 1], out=spans[:, :, 0])
    return TileTables(order.astype(np.int32), spans, flags)


class EntryTables(NamedTuple):
    """Tables of a plan by their names, and how many rows are live at each visit."""

    rows: Array
    previous: Array
    last: Array
    positions: Array
    shown: Array
    alive: Array
    held: Array
    repeats: Array
    live: Array

    def bounds(self, groups: int) -> Array:
        """Return (T, groups + 1)."""
        steps, batch = self.live.shape
        before = np.concatenate([np.zeros((steps, 1), np.int64), self.live.cumsum(axis=1)], axis=1)
        first = np.concatenate([[0], before[:, -1].cumsum()])[:-1]
        return (first[:, None] + before[:, np.arange(groups + 1) * batch // groups]).astype(np.int32)


def entry_tables(shape: tuple[int, int], given: Given, direction: int) -> EntryTables:
    """Return the tables of one direction."""
    (steps, batch), (live, cut) = shape, timetable(shape, *given, direction)
    visits, rows = np.nonzero(live)
    number = np.where(live, live.ravel().cumsum().reshape(live.shape) - 1, -1)
    before: Array = np.full((steps + 1, batch), FROM_START)  # -1: no entry has been reached
    reached = np.maximum.accumulate(number, axis=0, out=before[1:])
    numbers, nothing = np.arange(steps)[:, None], np.full((1, batch), -1)
    last_live = np.concatenate([nothing, np.maximum.accumulate(np.where(live, numbers, -1), axis=0)])
    last_cut = np.concatenate([np.maximum.accumulate(np.where(cut, numbers, -1), axis=0), nothing])
    last_cut[-1] = last_cut[-2]
    found, last = np.where(last_cut > last_live, FROM_ZEROS, before), last_cut[-1] > last_live[-1]
    return EntryTables(
        rows.astype(np.int32),
        found[visits, rows].astype(np.int32),
        found[steps].astype(np.int32),
        visit(np.arange(steps * batch).reshape(shape), direction)[visits, rows],
        np.ascontiguousarray(visit(number, direction)).reshape(-1),
        np.where(last, -1, np.arange(batch)),
        np.ascontiguousarray(visit(reached, direction)).reshape(-1),
        np.bincount(reached[reached >= 0], minlength=len(rows)),
        live,
    )
