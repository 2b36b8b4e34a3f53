"""The register tile: some rows of A times a few panels of B, written as vector instructions of LLVM.

A panel is as many columns of B as two vectors hold. The sums stay in registers while k passes by, which no loop over
arrays brings LLVM to do.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from rnnfast.backends.numba.vectors import BYTE, VECTORS, WORD, Memory

ROWS = 6
"""Of the largest tile."""
MOST = 4
"""Panels of a tile."""
# One row or two have too few sums in a panel to hide how long a multiply-add takes.
SHAPES = [(1, 2), (1, 4), (2, 2), *((rows, 1) for rows in range(1, ROWS + 1))]
"""Rows and panels of tiles."""


def write(m: Memory, sums: dict[tuple[int, int, int], Any], c_rows: list[Any], columns: Any, keep: Any) -> None:
    """Put the sums of (row, panel, vector) into rows of C or, if `keep`, add them; `columns` there are."""
    builder, width = m.builder, m.vector.count
    with builder.if_else(builder.icmp_signed(">=", columns, m.index(VECTORS * width))) as (whole, part):
        with whole:
            to = {(r, p, v): m.moved(c_rows[r], (p * VECTORS + v) * width) for r, p, v in sums}
            with builder.if_then(keep):
                for place, total in sums.items():
                    builder.store(builder.fadd(m.load(to[place], m.vector), builder.load(total)), total)
            for place, total in sums.items():
                m.store(builder.load(total), to[place])
        with part:
            few = builder.bitcast(cgutils.alloca_once(builder, m.real, VECTORS * width), BYTE.as_pointer())
            for r, row in enumerate(c_rows):
                for v in range(VECTORS):
                    m.store(builder.load(sums[r, 0, v]), m.moved(few, v * width))
                with cgutils.for_range(builder, columns, intp=m.index) as loop:
                    to, value = m.moved(row, loop.index), m.load(m.moved(few, loop.index), m.real)
                    m.store(builder.select(keep, builder.fadd(m.load(to, m.real), value), value), to)


def multiply(
    m: Memory, rows: int, panels: int, a_at: Any, b_at: Any, c_at: Any, depth: Any, part: Any, columns: Any, add: Any
) -> None:
    """Emit the tile of so many rows and panels."""
    builder, width, index = m.builder, m.vector.count, m.index
    (a_start, a_row, a_step), (b_start, b_row, b_panel), (c_start, c_row, c_next) = a_at, b_at, c_at
    places = [(r, p, v) for r in range(rows) for p in range(panels) for v in range(VECTORS)]
    zero, undefined = ir.Constant(m.vector, [m.real(0.0)] * width), ir.Constant(m.vector, ir.Undefined)
    sums = {place: cgutils.alloca_once(builder, m.vector) for place in places}
    c_rows = [m.moved(c_start, builder.mul(c_row, index(r))) for r in range(rows)]
    for row in c_rows:
        for n in range(panels * VECTORS):
            m.fetch(m.moved(row, builder.add(c_next, index(n * width))))
    parts = builder.sdiv(builder.add(depth, builder.sub(part, index(1))), part)

    with cgutils.for_range(builder, parts, intp=index) as turn:
        first = builder.mul(turn.index, part)
        a_first, b_at = m.moved(a_start, builder.mul(first, a_step)), builder.mul(first, b_row)
        b_first = [m.moved(m.moved(b_start, builder.mul(b_panel, index(p))), b_at) for p in range(panels)]
        rest = builder.sub(depth, first)
        count = builder.select(builder.icmp_signed("<", rest, part), rest, part)
        for total in sums.values():
            builder.store(zero, total)
        with cgutils.for_range(builder, count, intp=index) as loop:
            a_now, b_at = m.moved(a_first, builder.mul(loop.index, a_step)), builder.mul(loop.index, b_row)
            b_now = [m.moved(start, b_at) for start in b_first]
            right = [[m.load(m.moved(now, v * width), m.vector) for v in range(VECTORS)] for now in b_now]
            numbers = [m.load(m.moved(a_now, builder.mul(a_row, index(r))), m.real) for r in range(rows)]
            for r, p, v in places:
                left = m.shuffle(builder.insert_element(undefined, numbers[r], WORD(0)), undefined, [0] * width)
                product = builder.fmul(left, right[p][v], flags=("contract",))
                total = sums[r, p, v]
                builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)
        write(m, sums, c_rows, columns, builder.or_(add, builder.icmp_signed(">", turn.index, index(0))))


@intrinsic
def tile(typing_context, rows, panels, a, a_at, b, b_at, c, c_at, depth, part, columns, add):
    """c[ci + r * c_row + j] = sum over k of a[ai + r * a_row + k * a_step] * b[bi + k * b_row + j], added if `add`.

    r is below `rows`, which with `panels` is one of SHAPES, k below `depth`, j below `columns`: where `panels` is 1
    there may be fewer of them than lanes. `a_at`: ai, a_row, a_step. `b_at`: bi, b_row and from column 0 to column
    lanes. `c_at`: ci, c_row and from a row to what will be written next, which is asked for meanwhile. All arrays are
    flat; each `part` numbers of k are one chain of multiply-adds.
    """

    def codegen(context, builder, signature, arguments):
        m = Memory(context, builder, signature, arguments)
        rows, panels, _, a_at, _, b_at, _, c_at, *sizes = arguments
        places = [cgutils.unpack_tuple(builder, at) for at in (a_at, b_at, c_at)]
        passed = [(m.start(n, start), *steps) for n, (start, *steps) in zip((2, 4, 6), places, strict=True)]
        end = builder.append_basic_block("end")
        choice = builder.switch(builder.add(builder.mul(rows, m.index(MOST)), panels), end)
        for shape in SHAPES:
            block = builder.append_basic_block("tile")
            choice.add_case(m.index(shape[0] * MOST + shape[1]), block)
            builder.position_at_end(block)
            multiply(m, *shape, *passed, *sizes)
            builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    return types.void(rows, panels, a, a_at, b, b_at, c, c_at, depth, part, columns, add), codegen
