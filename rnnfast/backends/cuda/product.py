"""Matrix products whose operands lie anywhere: C = A B or C += A B, a tile of C for every block."""

from __future__ import annotations

from typing import Any

from rnnfast.backends.cuda.arrays import strided_at
from rnnfast.backends.cuda.counted import Counted, following
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.driver.scalars import address, int64
from rnnfast.backends.cuda.gemm.multiply import multiplies
from rnnfast.backends.cuda.matrix import Matrix

CHUNK = 16
"""Numbers of k that are in shared memory at a time, and that one chain sums: long chains add up more rounding."""


def product_kernel(cuda: Any, real: Any, side: int, each: int, add: bool) -> Any:
    """Return the kernel: blocks of side x side threads, each with each x each numbers of C.

    Operands are addresses, numbers from row to row and from column to column; m, n, depth: C is (m, n), A (m, depth).
    The grid is (ceil(m / tile), ceil(n / tile)) with tile = side * each: its x axis is the one that can be
    as long as rows are many.
    """
    tile, threads = side * each, side * side
    a_size = b_size = CHUNK * tile

    def load(to, operand, first, first_k, by_k):
        """to[k, i] = operand[first + i, first_k + k], zeros beyond; threads walk along what is contiguous."""
        count, depth = operand.shape
        for n in range(cuda.threadIdx.x, a_size, threads):
            i, k = (n // CHUNK, n % CHUNK) if by_k else (n % tile, n // tile)
            inside = first + i < count and first_k + k < depth
            to[k * tile + i] = operand[first + i, first_k + k] if inside else 0

    load = cuda.jit(device=True)(load)

    def kernel(
        a: address, a_row: int64, a_column: int64, b: address, b_row: int64, b_column: int64,
        c: address, c_row: int64, c_column: int64, m: int64, n: int64, depth: int64,
    ):  # fmt: skip
        left, right = (
            strided_at(a, (m, depth), (a_row, a_column), real),
            strided_at(b, (n, depth), (b_column, b_row), real),
        )
        result = strided_at(c, (m, n), (c_row, c_column), real)
        a_tile, b_tile = cuda.shared.array(a_size, real), cuda.shared.array(b_size, real)
        total, part = cuda.local.array((each, each), real), cuda.local.array((each, each), real)
        thread, row0, column0 = cuda.threadIdx.x, cuda.blockIdx.x * tile, cuda.blockIdx.y * tile
        y, x = thread // side, thread % side
        for i in range(each):
            for j in range(each):
                total[i, j] = 0
        for k0 in range(0, depth, CHUNK):
            load(a_tile, left, row0, k0, a_column == 1)
            load(b_tile, right, column0, k0, b_row == 1)
            cuda.syncthreads()
            for i in range(each):
                for j in range(each):
                    part[i, j] = 0
            for k in range(CHUNK):
                for i in range(each):
                    number = a_tile[k * tile + y + i * side]
                    for j in range(each):
                        part[i, j] += number * b_tile[k * tile + x + j * side]
            for i in range(each):
                for j in range(each):
                    total[i, j] += part[i, j]
            cuda.syncthreads()
        for i in range(each):
            for j in range(each):
                row, column = row0 + y + i * side, column0 + x + j * side
                if row < m and column < n:
                    result[row, column] = result[row, column] + total[i, j] if add else total[i, j]

    return kernel


def multiply(
    call: DeviceCall, a: Matrix, b: Matrix, c: Matrix, m: int, n: int, depth: int, *, add: bool = False
) -> None:
    """Make C (m, n) the product of A (m, depth) and B, or add that to it.

    Of float32 on tensor cores; else by the library that the call's arrays come from, if that has a product.
    """
    if (m <= 0 and type(m) is not Counted) or n <= 0 or (add and depth <= 0):
        return
    if multiplies(call, a, b, c, m, n, depth, add=add):
        return
    if call.product(a, b, c, m, n, depth, add=add):
        return
    side, each = call.device.side, call.device.each
    launch = call.prepared(product_kernel, (call.real, side, each, add), threads=side * side)
    tile = side * each
    grid = following(_tiles, m, tile), _tiles(n, tile)
    operands = (value for matrix in (a, b, c) for value in (matrix.address, matrix.row, matrix.column))
    call.run_on(launch, grid, *operands, m, n, depth)


def _tiles(count: int, side: int) -> int:
    return -(-count // side)
