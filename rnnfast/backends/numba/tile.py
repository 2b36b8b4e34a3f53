"""The register tile: some rows of A times a few panels of B, written as vector instructions of LLVM.

A panel is as many columns of B as two vectors hold. The sums stay in registers while k passes by, which no loop over
arrays brings LLVM to do; nor does it transpose in registers, as packing wants.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

ROWS = 6
VECTORS = 2
BYTES = 64 if llvm.get_host_cpu_features().get("avx512f") else 32
"""Of a vector."""
BYTE, WORD = ir.IntType(8), ir.IntType(32)


def lanes(a: Any) -> int:
    """Columns of a panel of numbers like an array's."""
    return VECTORS * BYTES // int(a.itemsize)


@overload(lanes)
def _lanes(a):
    # A constant, which loops over a panel need to become vectors, but none that types tell apart (compiling.py).
    count = np.int64(VECTORS * BYTES * 8 // a.dtype.bitwidth)
    return lambda a: count


class Memory:
    """The elements of arrays among an intrinsic's arguments, by address."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.context, self.builder, self.signature, self.arguments = context, builder, signature, arguments
        self.real = context.get_data_type(signature.args[0].dtype)
        self.size = context.get_abi_sizeof(self.real)
        self.vector = ir.VectorType(self.real, BYTES // self.size)
        self.index = arguments[1].type

    def start(self, n: int, offset: Any) -> Any:
        """The address of an element of argument n."""
        array = self.context.make_array(self.signature.args[n])(self.context, self.builder, self.arguments[n])
        return self.moved(self.builder.bitcast(array.data, BYTE.as_pointer()), offset)

    def moved(self, start: Any, elements: Any) -> Any:
        """An address so many elements on."""
        elements = self.index(elements) if isinstance(elements, int) else elements
        return self.builder.gep(start, [self.builder.mul(elements, self.index(self.size))], source_etype=BYTE)

    def load(self, place: Any, kind: Any) -> Any:
        """A number or a vector."""
        return self.builder.load(self.builder.bitcast(place, kind.as_pointer()), align=self.size)

    def store(self, value: Any, place: Any) -> None:
        """A number or a vector."""
        self.builder.store(value, self.builder.bitcast(place, value.type.as_pointer()), align=self.size)

    def shuffle(self, a: Any, b: Any, order: list[int]) -> Any:
        """Lanes of two vectors by their numbers, those of b after those of a."""
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(WORD, len(order)), [*map(WORD, order)]))


def write(m: Memory, sums: dict[tuple[int, int, int], Any], c_rows: list[Any], columns: Any, keep: Any) -> None:
    """Put the sums of (row, panel, vector) into rows of C or, if `keep`, add them; `columns` there are."""
    builder, width = m.builder, m.vector.count

    def put(value: Any, place: Any) -> None:
        m.store(builder.select(keep, builder.fadd(m.load(place, value.type), value), value), place)

    few = builder.bitcast(cgutils.alloca_once(builder, m.real, VECTORS * width), BYTE.as_pointer())
    with builder.if_else(builder.icmp_signed(">=", columns, m.index(VECTORS * width))) as (whole, part):
        with whole:
            for (r, p, v), total in sums.items():
                put(builder.load(total), m.moved(c_rows[r], (p * VECTORS + v) * width))
        with part:
            for r, row in enumerate(c_rows):
                for v in range(VECTORS):
                    m.store(builder.load(sums[r, 0, v]), m.moved(few, v * width))
                with cgutils.for_range(builder, columns, intp=m.index) as loop:
                    put(m.load(m.moved(few, loop.index), m.real), m.moved(row, loop.index))


def make_tile(rows: int, panels: int) -> Any:
    """c[ci + r * c_row + j] = sum over k of a[ai + r * a_row + k * a_step] * b[bi + k * b_row + j], added if `keep`.

    r is below `rows`, k below `count`, j below `columns`: where `panels` is 1 there may be fewer of them than lanes.
    Column lanes of b is `b_panel` after column 0. All arrays are flat; each sum is one chain of multiply-adds.
    """
    places = [(r, p, v) for r in range(rows) for p in range(panels) for v in range(VECTORS)]

    @intrinsic
    def tile(typing_context, a, ai, a_row, a_step, b, bi, b_row, b_panel, c, ci, c_row, count, columns, keep):
        def codegen(context, builder, signature, arguments):
            m = Memory(context, builder, signature, arguments)
            _, ai, a_row, a_step, _, bi, b_row, b_panel, _, ci, c_row, count, columns, keep = arguments
            width, index = m.vector.count, m.index
            zero, undefined = ir.Constant(m.vector, [m.real(0.0)] * width), ir.Constant(m.vector, ir.Undefined)
            sums = {place: cgutils.alloca_once_value(builder, zero) for place in places}
            a_start, b_start, c_start = m.start(0, ai), m.start(4, bi), m.start(8, ci)
            b_panels = [m.moved(b_start, builder.mul(b_panel, index(p))) for p in range(panels)]

            with cgutils.for_range(builder, count, intp=index) as loop:
                a_now, b_at = m.moved(a_start, builder.mul(loop.index, a_step)), builder.mul(loop.index, b_row)
                b_now = [m.moved(start, b_at) for start in b_panels]
                right = [[m.load(m.moved(now, v * width), m.vector) for v in range(VECTORS)] for now in b_now]
                numbers = [m.load(m.moved(a_now, builder.mul(a_row, index(r))), m.real) for r in range(rows)]
                for r, p, v in places:
                    left = m.shuffle(builder.insert_element(undefined, numbers[r], WORD(0)), undefined, [0] * width)
                    product = builder.fmul(left, right[p][v], flags=("contract",))
                    place = sums[r, p, v]
                    builder.store(builder.fadd(builder.load(place), product, flags=("contract",)), place)

            c_rows = [m.moved(c_start, builder.mul(c_row, index(r))) for r in range(rows)]
            write(m, sums, c_rows, columns, keep)
            return context.get_dummy_value()

        values = a, ai, a_row, a_step, b, bi, b_row, b_panel, c, ci, c_row, count, columns, keep
        return types.void(*values), codegen

    return tile


@intrinsic
def transpose(typing_context, a, ai, a_row, c, ci, c_row):
    """c[ci + k * c_row + j] = a[ai + j * a_row + k] for k and j below the numbers that a vector holds."""

    def codegen(context, builder, signature, arguments):
        m = Memory(context, builder, signature, arguments)
        _, ai, a_row, _, ci, c_row = arguments
        width = m.vector.count
        a_start, c_start = m.start(0, ai), m.start(3, ci)
        rows = [m.load(m.moved(a_start, builder.mul(a_row, m.index(j))), m.vector) for j in range(width)]
        step = 1
        while step < width:  # exchanges the blocks of `step` rows and lanes off the diagonal
            for i in (i for i in range(width) if not i & step):
                a, b = rows[i], rows[i | step]
                rows[i] = m.shuffle(a, b, [width + (n ^ step) if n & step else n for n in range(width)])
                rows[i | step] = m.shuffle(a, b, [width + n if n & step else n | step for n in range(width)])
            step *= 2
        for k in range(width):
            m.store(rows[k], m.moved(c_start, builder.mul(c_row, m.index(k))))
        return context.get_dummy_value()

    return types.void(a, ai, a_row, c, ci, c_row), codegen
