"""An operand of a product: from rows anywhere in the caller's memory to a tile in shared memory.

A matrix is a tuple (address, numbers from period to period, numbers from row to row, whether units of 16 bytes are
aligned), its last axis contiguous. Row i lies at (i // period, i % period), or evenly where `period` is 0; with a list
of rows, which is an address of int32 numbers, or 0, row i is the i-th of the list. So a sequence (T, B, I) is a matrix
of T B rows whatever its first two strides are, and live steps are picked without a copy. Numbers of a matrix lie less
than 2^31 numbers from its address.
"""

from __future__ import annotations

import numpy as np

f32, i32, u32, u64 = np.float32, np.int32, np.uint32, np.uint64
ZERO, WORD = f32(0), u32(4)


def row_finder(ops):
    """Return the function that says how many numbers after a matrix's address a row begins."""
    find, listed = row_placer(ops), row_lister(ops)

    @ops.inline
    def row_at(matrix, where, i):
        return find(matrix, where, listed(where, u32(i)))

    return row_at


def row_lister(ops):
    """Return the function that says which row of the sequence row i is: the i-th of the list, or itself."""
    after, load_word = ops.after, ops.load_constant_word

    @ops.inline
    def listed(where, i):
        _, rows = where
        return load_word(after(rows, i, WORD)) if rows != u64(0) else i

    return listed


def row_placer(ops):
    """Return the function that says how many numbers after a matrix's address a row of the sequence begins."""
    add, multiply = ops.add, ops.multiply

    @ops.inline
    def find(matrix, where, row):
        period, _ = where
        if period == u32(0):
            return multiply(row, matrix[2])
        return add(multiply(u32(row // period), matrix[1]), multiply(u32(row % period), matrix[2]))

    return find


def four_fetcher(ops):
    """Return the function that makes v[first : first + 4] four neighbours in memory, zeros from `count` on."""
    load, load4 = ops.load_constant, ops.load_constant4

    @ops.inline
    def fetch_four(v, first, at, count, aligned):
        if aligned and count >= 4:
            four = load4(at)
            v[first], v[first + 1], v[first + 2], v[first + 3] = four[0], four[1], four[2], four[3]
        else:
            for j in range(4):
                v[first + j] = load(u64(at + u64(4 * j))) if j < count else ZERO

    return fetch_four


def sharer(ops, by_k, side):
    """Return the function that says which 4 x 4 numbers of a stage are a thread's.

    They are rows 4 r to 4 r + 3 and the u-th unit of k; neighbouring threads have neighbours in memory.
    """
    quads = side // 4

    @ops.inline
    def share(tid):
        if by_k:
            return u32(tid >> u32(3)), u32(tid & u32(7))
        return u32(tid % u32(quads)), u32(tid // u32(quads))

    return share


def looker(ops, side):
    """Return the function that says which rows of the sequence a thread's four k of a stage are.

    All before any number of the stage is loaded: what is loaded is waited for all together, so that a row looked up
    between two loads would wait for the first of these.
    """
    share, listed = sharer(ops, False, side), row_lister(ops)

    @ops.inline
    def look(found, where, k, stop, tid):
        _, u = share(tid)
        for i in range(4):
            row = u32(k + u32(4) * u + u32(i))
            found[i] = listed(where, row) if row < stop else u32(0)

    return look


def fetcher(ops, by_k, side):
    """Return begin, which finds a thread's rows, and fetch, which loads its 4 x 4 numbers of a stage.

    With `by_k` the matrix is (rows of the tile, k), v[4 i + j] is of row i and k j, and `found` are where its rows
    begin, which `begin` finds; else it is (k, rows of the tile), v[4 i + j] is of k i and row j, and `found` is what
    `looker` says. Numbers beyond the matrix are zeros and are not read.
    """
    row_at, fetch_four, share, after = row_finder(ops), four_fetcher(ops), sharer(ops, by_k, side), ops.after
    find = row_placer(ops)

    @ops.inline
    def begin(found, matrix, where, first, count, tid):
        r, _ = share(tid)
        for i in range(4):
            row = u32(first + u32(4) * r + u32(i))
            found[i] = row_at(matrix, where, row) if row < count else u32(0)

    @ops.inline
    def fetch(v, found, matrix, where, first, count, k, stop, tid):
        r, u = share(tid)
        row, k = u32(first + u32(4) * r), u32(k + u32(4) * u)
        for i in range(4):
            if by_k:
                left, begins = i32(stop) - i32(k) if u32(row + u32(i)) < count else i32(0), u32(found[i] + k)
            else:
                left = i32(count) - i32(row) if u32(k + u32(i)) < stop else i32(0)
                begins = u32(find(matrix, where, found[i]) + row)
            fetch_four(v, 4 * i, after(matrix[0], begins, WORD), left, matrix[3])

    return begin, fetch
