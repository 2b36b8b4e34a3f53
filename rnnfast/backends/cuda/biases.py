"""The gradients of the biases: sums over entries, in one launch and always in the same order."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.backends.cuda.arrays import array_at
from rnnfast.backends.cuda.counted import following
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.driver.scalars import address, int64

CHAIN = 16
"""Numbers that one chain sums: long ones add up more rounding."""
PARTS_MOST = 64
"""Parts of the entries that blocks sum beside one another."""


def bias_gradient_kernel(cuda: Any, real: Any, columns: int, rows: int, add: bool) -> Any:
    """Return the kernel of d_b_ih[i] (+)= and d_b_hh[gate_of[slot], j] (+)= the sum of column i = slot H + j of gates.

    Blocks of `rows` x `columns` threads: (x, y) sums `columns` columns of part y of the entries. The last block of a
    column to come, which `counters`, zeros at first, tell, adds the parts up. partial: (parts, slots H).
    """

    numbers = rows * columns

    def kernel(
        gates: address, count: int64, slots: int64, size: int64, inputs: int64, gate_of: address, parts: int64,
        partial: address, counters: address, d_b_ih: address, d_b_hh: address,
    ):  # fmt: skip
        width, thread, part, block = slots * size, cuda.threadIdx.x, cuda.blockIdx.y, cuda.blockIdx.x
        row, column = thread // columns, block * columns + thread % columns
        shared, mine = cuda.shared.array(numbers, real), cuda.shared.array(1, np.int32)
        table, sums = array_at(gates, (count, width), real), array_at(partial, (parts, width), real)
        total, begin, end = real(0), part * count // parts, (part + 1) * count // parts
        if column < width:
            for first in range(begin + row, end, rows * CHAIN):
                chain = real(0)
                for e in range(first, min(first + rows * CHAIN, end), rows):
                    chain += table[e, column]
                total += chain
        shared[thread] = total
        cuda.syncthreads()
        if row == 0 and column < width:
            total = real(0)
            for r in range(rows):
                total += shared[r * columns + thread]
            sums[part, column] = total
            cuda.threadfence()
        cuda.syncthreads()
        if thread == 0:
            mine[0] = cuda.atomic.add(array_at(counters, (block + 1,), np.int32), block, 1) == parts - 1
            cuda.threadfence()
        cuda.syncthreads()
        if mine[0] and row == 0 and column < width:
            total, slot = real(0), column // size
            for p in range(parts):
                total += sums[p, column]
            gate = array_at(gate_of, (slots,), np.int64)[slot]
            if d_b_ih != 0 and slot < inputs:
                to = array_at(d_b_ih, (inputs * size,), real)
                to[column] = to[column] + total if add else total
            if d_b_hh != 0 and gate >= 0:
                to = array_at(d_b_hh, (inputs * size,), real)
                to[gate * size + column % size] = to[gate * size + column % size] + total if add else total

    return kernel


def blocks_of(call: DeviceCall, width: int) -> int:
    """Return the number of counters that the kernel needs for so many columns."""
    return -(-width // call.limits.lanes)


def parts_of(count: int) -> int:
    """Return into how many parts so many entries fall."""
    return max(1, min(PARTS_MOST, count // CHAIN))


def write_bias_gradients(
    call: DeviceCall, gates: int, count: int, slots: int, size: int, inputs: int, gate_of: int, partial: int,
    counters: int, d_b_ih: int, d_b_hh: int, add: bool,
) -> None:  # fmt: skip
    """Write or add the sums of the columns of gates (count, slots H)."""
    columns, threads, parts = call.limits.lanes, call.limits.threads, following(parts_of, count)
    launch = call.prepared(bias_gradient_kernel, (call.real, columns, threads // columns, add), threads=threads)
    shape = gates, count, slots, size, inputs, gate_of, parts
    call.run_on(launch, (blocks_of(call, slots * size), parts), *shape, partial, counters, d_b_ih, d_b_hh)
