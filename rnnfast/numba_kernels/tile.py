"""The register tile: some rows of A times one panel of B, written as vector instructions of LLVM.

A panel is as many columns of B as two vectors hold, [k][column]. The sums stay in registers while k passes by, which
no loop over arrays brings LLVM to do.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

ROWS = 6
VECTORS = 2
BYTES = 64 if llvm.get_host_cpu_features().get("avx512f") else 32
"""Of a vector."""


def lanes(itemsize: int) -> int:
    """Columns of a panel."""
    return VECTORS * BYTES // itemsize


def make_tile(rows: int) -> Any:
    """c[ci + r * c_row + j] += sum over k of a[ai + r * a_row + k * a_step] * b[bi + k * lanes + j], r below `rows`.

    k goes up to `count`. All arrays are flat; each sum is one chain of multiply-adds from zero.
    """

    @intrinsic
    def tile(typing_context, a, ai, a_row, a_step, b, bi, c, ci, c_row, count):
        def codegen(context, builder, signature, arguments):
            _, ai, a_row, a_step, _, bi, _, ci, c_row, count = arguments
            real = context.get_data_type(signature.args[0].dtype)
            size = context.get_abi_sizeof(real)
            vector, byte, word = ir.VectorType(real, BYTES // size), ir.IntType(8), ir.IntType(32)
            index = count.type

            def moved(start, distance, bytes_each=1):
                distance = builder.mul(distance, index(bytes_each)) if bytes_each != 1 else distance
                return builder.gep(start, [distance], source_etype=byte)

            def start_of(n, offset):
                array = context.make_array(signature.args[n])(context, builder, arguments[n])
                return moved(builder.bitcast(array.data, byte.as_pointer()), offset, size)

            def load(place, kind):
                return builder.load(builder.bitcast(place, kind.as_pointer()), align=size)

            a_start, b_start, c_start = start_of(0, ai), start_of(4, bi), start_of(6, ci)
            zero, undefined = ir.Constant(vector, [real(0.0)] * vector.count), ir.Constant(vector, ir.Undefined)
            first = ir.Constant(ir.VectorType(word, vector.count), [word(0)] * vector.count)
            sums = [[cgutils.alloca_once_value(builder, zero) for _ in range(VECTORS)] for _ in range(rows)]
            with cgutils.for_range(builder, count, intp=index) as loop:
                b_now = moved(b_start, loop.index, VECTORS * BYTES)
                a_now = moved(a_start, builder.mul(loop.index, a_step), size)
                right = [load(moved(b_now, index(v * BYTES)), vector) for v in range(VECTORS)]
                for r in range(rows):
                    number = load(moved(a_now, builder.mul(a_row, index(r)), size), real)
                    left = builder.shuffle_vector(builder.insert_element(undefined, number, word(0)), undefined, first)
                    for v in range(VECTORS):
                        product = builder.fmul(left, right[v], flags=("contract",))
                        total = builder.fadd(builder.load(sums[r][v]), product, flags=("contract",))
                        builder.store(total, sums[r][v])
            for r in range(rows):
                c_now = moved(c_start, builder.mul(c_row, index(r)), size)
                for v in range(VECTORS):
                    place = moved(c_now, index(v * BYTES))
                    total = builder.fadd(load(place, vector), builder.load(sums[r][v]))
                    builder.store(total, builder.bitcast(place, vector.as_pointer()), align=size)
            return context.get_dummy_value()

        return types.void(a, ai, a_row, a_step, b, bi, c, ci, c_row, count), codegen

    return tile


tile1, tile2, tile3, tile4, tile5, tile6 = (make_tile(rows) for rows in range(1, ROWS + 1))
