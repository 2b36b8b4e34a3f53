"""Rows of the batch, in tables of states (B, H), and the rows of one step's entries."""

from __future__ import annotations

from numba import njit

from rnnfast.backends.numba.product import INNER


@njit(**INNER)
def gather(count, rows, e, table, to, at):
    """Rows of a state, those of the entries from e on."""
    for k in range(count):
        b = rows[e + k]
        for j in range(table.shape[1]):
            to[at + k, j] = table[b, j]


@njit(**INNER)
def scatter(count, rows, e, values, at, table):
    """The inverse of `gather`."""
    for k in range(count):
        b = rows[e + k]
        for j in range(table.shape[1]):
            table[b, j] = values[at + k, j]


@njit(**INNER)
def gather_masked(count, rows, e, table, mask, to, at):
    """As `gather`, under recurrent dropout if there is a mask."""
    for k in range(count if mask.shape[0] > 0 else 0):
        b = rows[e + k]
        for j in range(table.shape[1]):
            to[at + k, j] = table[b, j] * mask[b, j]


@njit(**INNER)
def cut_rows(cut, v, from_row, to_row, table):
    """Zeros where the state is cut, if it is anywhere."""
    for b in range(from_row, to_row if cut.shape[0] > 0 else from_row):
        if cut[v, b]:
            table[b] = 0


@njit(**INNER)
def add_rows(count, dy, e, dh):
    for k in range(count):
        for j in range(dh.shape[1]):
            dh[k, j] += dy[e + k, j]


@njit(**INNER)
def add_through(count, rows, e, through, mask, dh):
    """What comes through the products, under recurrent dropout if there is a mask."""
    for k in range(count):
        b = rows[e + k]
        if mask.shape[0] > 0:
            for j in range(dh.shape[1]):
                dh[k, j] += through[k, j] * mask[b, j]
        else:
            for j in range(dh.shape[1]):
                dh[k, j] += through[k, j]
