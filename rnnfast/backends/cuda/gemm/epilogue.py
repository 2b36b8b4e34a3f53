"""The end of a product: biases, what C had before, and what three products cannot give."""

from __future__ import annotations

import numpy as np

from rnnfast.backends.cuda.gemm.operand import WORD, row_finder

f32, i32, u32, u64 = np.float32, np.int32, np.uint32, np.uint64
ZERO, ONE = f32(0), u64(1)


def exact(ops, a_by_k, b_by_k):
    """Return the function that sums one number of C in float32 as IEEE says.

    An infinity has no low part, nor has a number beyond what its operand's scale reaches: of these the three products
    make NaN, which is why whoever finds one asks here. A sum that has become NaN is one.
    """
    row_at, load, after = row_finder(ops), ops.load_constant, ops.after

    @ops.inline
    def element(matrix, where, by_k, i, k):
        row, column = (i, k) if by_k else (k, i)
        return load(after(matrix[0], u32(row_at(matrix, where, row) + column), WORD))

    @ops.inline
    def dot(a, a_where, b, b_where, row, column, k, stop):
        total = ZERO
        while k < stop and total == total:
            total += element(a, a_where, a_by_k, row, k) * element(b, b_where, b_by_k, column, k)
            k = u32(k + u32(1))
        return total

    return dot


def biases_of(ops):
    """Return the function that sums the biases of a column: two addresses, each 0 or that of a bias for every column.

    Of the second there are only so many.
    """
    load, after = ops.load_constant, ops.after

    @ops.inline
    def bias_of(biases, column):
        first, second, columns = biases
        bias = ZERO
        if first != u64(0):
            bias = load(after(first, column, WORD))
        if second != u64(0) and column < columns:
            bias += load(after(second, column, WORD))
        return bias

    return bias_of


def writer(ops):
    """Return the functions that write to C: one number, and a band of 16 rows of a thread's totals.

    The second returns a bit for each of its numbers that is NaN, and does not write it. With `add`, C's numbers are
    added to.
    """
    row_at, after, load, store, store2 = row_finder(ops), ops.after, ops.load, ops.store, ops.store2

    @ops.inline
    def put(at, value, add):
        store(at, value + load(at) if add else value)

    @ops.inline
    def write(total, bias, c, where, add, lane, m, n, i):
        missing = u64(0)
        row, column = lane
        for h in range(2):
            if u32(row + u32(16 * i + h)) < m:
                line = after(c[0], u32(row_at(c, where, u32(row + u32(16 * i + h))) + column), WORD)
                for j in range(4):
                    index, at = 16 * i + 4 * j + 2 * h, u64(line + u64(32 * j))
                    left = i32(n) - i32(column + u32(8 * j))
                    x, y = total[index], total[index + 1]
                    if left > 1 and at & u64(7) == u64(0) and x == x and y == y:
                        x, y = x + bias[2 * j], y + bias[2 * j + 1]
                        if add:
                            x, y = x + load(at), y + load(u64(at + u64(4)))
                        store2(at, x, y)
                    else:
                        for e in range(2):
                            if e < left and total[index + e] == total[index + e]:
                                put(u64(at + u64(4 * e)), total[index + e] + bias[2 * j + e], add)
                            elif e < left:
                                missing |= ONE << u64(index + e)
        return missing

    return put, write
