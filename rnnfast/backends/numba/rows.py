"""Rows of the batch, in tables of states (B, H), and the rows of one step's entries."""

from __future__ import annotations

from numba import njit

from rnnfast.backends.numba.compiling import INNER


@njit(**INNER)
def position(rows, first, end, row):
    """Find of a step's entries [first, end), which are in order of their rows, the first from a row of the batch on."""
    while first < end:
        middle = (first + end) // 2
        if rows[middle] < row:
            first = middle + 1
        else:
            end = middle
    return first


@njit(**INNER)
def span(schedule, steps, v, from_row, to_row):
    """The first entry of step v among rows [from_row, to_row) of the batch, and how many there are."""
    rows, first, end = schedule[steps + 1 :], schedule[v], schedule[v + 1]
    first = position(rows, first, end, from_row) if from_row > 0 else first
    return first, position(rows, first, end, to_row) - first


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
    """Do what `gather` does, under recurrent dropout if there is a mask."""
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
    """Add what comes from the outputs, if anything does."""
    for k in range(count if dy.shape[0] > 0 else 0):
        for j in range(dh.shape[1]):
            dh[k, j] += dy[e + k, j]


@njit(**INNER)
def add_through(count, rows, e, through, mask, dh):
    """Add what comes through the products, under recurrent dropout if there is a mask."""
    for k in range(count):
        b = rows[e + k]
        if mask.shape[0] > 0:
            for j in range(dh.shape[1]):
                dh[k, j] += through[k, j] * mask[b, j]
        else:
            for j in range(dh.shape[1]):
                dh[k, j] += through[k, j]


@njit(**INNER)
def begin(given, index, from_row, to_row, table):
    """Rows of layer and direction `index` of given states, flat (L·D, B, H), into a table; zeros if none are given."""
    batch, size = table.shape
    for b in range(from_row, to_row):
        at = (index * batch + b) * size
        for j in range(size):
            table[b, j] = given[at + j] if given.shape[0] > 0 else 0
