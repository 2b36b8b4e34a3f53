"""The kernel of all products C = A B^T, a tile of C for every block."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.backends.cuda.driver.scalars import address, int32
from rnnfast.backends.cuda.gemm.epilogue import biases_of, exact, writer
from rnnfast.backends.cuda.gemm.multiplier import multiplier
from rnnfast.backends.cuda.gemm.operand import WORD, fetcher, looker, row_finder
from rnnfast.backends.cuda.gemm.stage import storer
from rnnfast.backends.cuda.gemm.sums import summer
from rnnfast.backends.cuda.gemm.tile import DEPTH, ROW_BYTES, Tile

f32, i32, u32, u64 = np.float32, np.int32, np.uint32, np.uint64
NOWHERE, EVENLY = u64(0), u32(0)


def product_kernel(ops: Any, a_by_k: bool, b_by_k: bool, half: bool, side: int) -> Any:
    """Return the kernel; `products.py` says what it is given.

    Rows of C are those of A, columns of C the rows of B; k runs along an operand's contiguous axis where it is `by_k`,
    else along its rows. Block s tiles + tile makes the s-th part of C: of the s-th slice of k, `depth` long, or where
    that is all of k, with the s-th B, `b_away` apart, and its biases.
    """
    tile, bands, totals = Tile(side), side // 32, side // 2
    begin_a, fetch_a = fetcher(ops, a_by_k, side)
    begin_b, fetch_b = fetcher(ops, b_by_k, side)
    look = looker(ops, side)
    store_a, store_b = storer(ops, a_by_k, side, half, True), storer(ops, b_by_k, side, half, False)
    lanes, add_stage = multiplier(ops, tile, half)
    count_columns, write_sums = summer(ops, tile)
    finish = finisher(ops, a_by_k, b_by_k, bands)
    b_tile, a_scales, b_scales, stage_bytes = side * ROW_BYTES, 2 * side * ROW_BYTES, tile.b_scales, tile.stage_bytes
    thread, block, sync, shared, cuda, after = (
        ops.thread, ops.block, ops.sync_block, ops.dynamic_shared, ops.cuda, ops.after,
    )  # fmt: skip

    @ops.inline
    def matrix(at, outer, inner):
        aligned = (at & u64(15)) == u64(0) and (u32(outer | inner) & u32(3)) == u32(0)
        return at, u32(outer), u32(inner), aligned

    def kernel(
        a_address: address, a_outer: int32, a_inner: int32, b_address: address, b_outer: int32, b_inner: int32,
        c_address: address, c_outer: int32, c_inner: int32, rows: address, period: int32, bias: address,
        more_bias: address, more_columns: int32, sums_address: address, part: int32, m: int32, n: int32, k: int32,
        depth: int32, add: int32, b_away: address, bias_away: address, more_away: address,
    ):  # fmt: skip
        tid, base = thread(), shared()
        m, n = u32(m), u32(n)
        tiles_n = u32((n + u32(side - 1)) // u32(side))
        tiles = u32(tiles_n * ((m + u32(side - 1)) // u32(side)))
        which, number = u32(block() // tiles), u32(block() % tiles)
        row0, column0 = u32(number // tiles_n * u32(side)), u32(number % tiles_n * u32(side))
        start = u32(0) if u32(depth) >= u32(k) else u32(which * u32(depth))
        stop = min(u32(k), u32(start + u32(depth)))
        if a_by_k:
            b_address = b_address + u64(which) * b_away
            if bias != NOWHERE:
                bias = bias + u64(which) * bias_away
            if more_bias != NOWHERE:
                more_bias = more_bias + u64(which) * more_away
        a, b = matrix(a_address, a_outer, a_inner), matrix(b_address, b_outer, b_inner)
        c = matrix(after(c_address, u32(which * u32(part)), WORD), c_outer, c_inner)
        where, evenly = (u32(period), rows), (EVENLY, NOWHERE)
        b_where = evenly if a_by_k else where
        sums_here = sums_address != NOWHERE and column0 == u32(0)

        total, chain, scales = cuda.local.array(totals, f32), cuda.local.array(4, f32), cuda.local.array(10, f32)
        a_words, b_words, sums = cuda.local.array(16, u32), cuda.local.array(32, u32), cuda.local.array(4, f32)
        a_next, b_next = cuda.local.array(16, f32), cuda.local.array(16, f32)
        a_rows, b_rows, k_rows = cuda.local.array(4, u32), cuda.local.array(4, u32), cuda.local.array(4, u32)
        if a_by_k:
            begin_a(a_rows, a, where, row0, m, tid)
        if b_by_k:
            begin_b(b_rows, b, b_where, column0, n, tid)
        for i in range(totals):
            total[i] = f32(0)
        for i in range(4):
            sums[i] = f32(0)
        lane = lanes(tid)
        stages = i32((stop - start + u32(DEPTH - 1)) // u32(DEPTH))
        for stage in range(-1, stages):  # loads the stage after this one while it multiplies this one
            if stage + 1 < stages:
                at = u32(start + u32(DEPTH) * u32(stage + 1))
                if not b_by_k:
                    look(k_rows, b_where, at, stop, tid)
                fetch_a(a_next, a_rows if a_by_k else k_rows, a, where, row0, m, at, stop, tid)
                fetch_b(b_next, b_rows if b_by_k else k_rows, b, b_where, column0, n, at, stop, tid)
            if stage >= 0:
                add_stage(total, chain, a_words, b_words, scales, u32(base + u32(stage & 1) * u32(stage_bytes)), lane)
            if stage + 1 < stages:
                to = u32(base + u32((stage + 1) & 1) * u32(stage_bytes))
                store_a(a_next, to, u32(to + u32(a_scales)), tid)
                store_b(b_next, u32(to + u32(b_tile)), u32(to + u32(b_scales)), tid)
                if not a_by_k:
                    count_columns(sums, a_next)
            sync()
        if not a_by_k and sums_here:
            write_sums(sums, after(sums_address, u32(which * u32(part)), WORD), row0, m, base, tid)
        corner = (u32(row0 + lane[0] + u32(2) * lane[2]), u32(column0 + lane[1] + u32(2) * lane[3]))
        biases = (bias, more_bias, u32(more_columns))
        finish(total, a, where, b, b_where, c, biases, add != 0, corner, m, n, start, stop)

    return kernel


def finisher(ops: Any, a_by_k: bool, b_by_k: bool, bands: int) -> Any:
    """Return the function that writes a thread's totals, whose first row and column are its `corner`, to C."""
    row_at, bias_of, after, cuda = row_finder(ops), biases_of(ops), ops.after, ops.cuda
    dot = exact(ops, a_by_k, b_by_k)
    put, write = writer(ops)

    @ops.inline
    def finish(total, a, where, b, b_where, c, biases, add, corner, m, n, start, stop):
        c_where = where if a_by_k else (EVENLY, NOWHERE)
        bias = cuda.local.array(8, f32)
        for j in range(8):
            column = u32(corner[1] + u32(8 * (j // 2) + j % 2))
            bias[j] = bias_of(biases, column) if column < n else f32(0)
        missing = write(total, bias, c, c_where, add, corner, m, n, 0)
        if bands > 1:
            missing |= write(total, bias, c, c_where, add, corner, m, n, 1)
        if bands > 2:
            missing |= write(total, bias, c, c_where, add, corner, m, n, 2)
            missing |= write(total, bias, c, c_where, add, corner, m, n, 3)
        index = u32(0)
        while missing != u64(0):
            if missing & u64(1) != u64(0):
                row = u32(corner[0] + index // u32(16) * u32(16) + index // u32(2) % u32(2))
                column = u32(corner[1] + index // u32(4) % u32(4) * u32(8) + index % u32(2))
                value = dot(a, where, b, b_where, row, column, start, stop) + bias_of(biases, column)
                put(after(c[0], u32(row_at(c, c_where, row) + column), WORD), value, add)
            missing >>= u64(1)
            index = u32(index + u32(1))

    return finish
