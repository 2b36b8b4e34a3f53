"""Matrix products whose operands lie anywhere: C += A B, a tile of C for every block."""

from __future__ import annotations

from typing import Any

from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.matrix import Matrix

CHUNK = 16
"""Numbers of k that are in shared memory at a time, and that one chain sums: long chains add up more rounding."""


def product_kernel(cuda: Any, real: Any, side: int, each: int) -> Any:
    """Return the kernel: blocks of side x side threads, each with each x each numbers of C.

    Operands are (flat array, where they begin, from row to row, from column to column); m, n, depth: C is (m, n), A
    (m, depth). The grid is (ceil(m / tile), ceil(n / tile)) with tile = side * each: its x axis is the one that can be
    as long as rows are many.
    """
    tile, threads = side * each, side * side
    a_size = b_size = CHUNK * tile

    def load(to, operand, first, first_k, count, depth, by_k):
        """to[k, i] = operand[first + i, first_k + k], zeros beyond; threads walk along what is contiguous."""
        array, begin, step, k_step = operand
        for n in range(cuda.threadIdx.x, a_size, threads):
            i, k = (n // CHUNK, n % CHUNK) if by_k else (n % tile, n // tile)
            inside = first + i < count and first_k + k < depth
            to[k * tile + i] = array[begin + (first + i) * step + (first_k + k) * k_step] if inside else 0

    load = cuda.jit(device=True)(load)

    def kernel(a, b, c, m, n, depth):
        a_tile, b_tile = cuda.shared.array(a_size, real), cuda.shared.array(b_size, real)
        total, part = cuda.local.array((each, each), real), cuda.local.array((each, each), real)
        thread, row0, column0 = cuda.threadIdx.x, cuda.blockIdx.x * tile, cuda.blockIdx.y * tile
        y, x = thread // side, thread % side
        b_array, b_begin, b_row, b_column = b
        for i in range(each):
            for j in range(each):
                total[i, j] = 0
        for k0 in range(0, depth, CHUNK):
            load(a_tile, a, row0, k0, m, depth, a[3] == 1)
            load(b_tile, (b_array, b_begin, b_column, b_row), column0, k0, n, depth, b_row == 1)
            cuda.syncthreads()
            for i in range(each):
                for j in range(each):
                    part[i, j] = 0
            for k in range(CHUNK):
                for i in range(each):
                    left = a_tile[k * tile + y + i * side]
                    for j in range(each):
                        part[i, j] += left * b_tile[k * tile + x + j * side]
            for i in range(each):
                for j in range(each):
                    total[i, j] += part[i, j]
            cuda.syncthreads()
        c_array, c_begin, c_row, c_column = c
        for i in range(each):
            for j in range(each):
                row, column = row0 + y + i * side, column0 + x + j * side
                if row < m and column < n:
                    c_array[c_begin + row * c_row + column * c_column] += total[i, j]

    return kernel


def multiply(call: DeviceCall, a: Matrix, b: Matrix, c: Matrix, m: int, n: int, depth: int) -> None:
    """Add A (m, depth) B to C (m, n), by the library that the call's arrays come from, if that has a product."""
    device = call.device
    tile = device.side * device.each
    if m <= 0 or n <= 0 or depth <= 0:
        return
    if call.library is None or not call.library.add_product(a, b, c, m, n, depth):
        kernel = device.kernel(product_kernel, c.array.dtype.type, device.side, device.each)
        grid = (-(-m // tile), -(-n // tile))
        call.launch(kernel, grid, device.side**2, a.argument, b.argument, c.argument, m, n, depth)
