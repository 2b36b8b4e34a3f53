"""The panels that B is packed into, and when it is: vector instructions of LLVM, which loops over arrays do not become.

Indices of flat arrays are signed and may count from the end, which keeps LLVM from making vectors of a copy.
"""

from __future__ import annotations

from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from rnnfast.backends.numba.compiling import INNER
from rnnfast.backends.numba.tile import ROWS
from rnnfast.backends.numba.vectors import VECTORS, Memory, lanes

SMALL = 8192
"""Numbers in a B that stays in L1 as a whole: C is then written in order, a few rows after another."""
FEW = 2 * ROWS
"""Rows that are read too few times to pay for packing what they are multiplied with."""
TOGETHER = 16
"""Rows that are packed at a time, as all of them are far apart."""


@intrinsic
def copy(typing_context, a, ai, a_row, c, ci, count):
    """c[ci + k * lanes + j] = a[ai + k * a_row + j] for k below `count` and j below `lanes`."""

    def codegen(context, builder, signature, arguments):
        m = Memory(context, builder, signature, arguments)
        _, ai, a_row, _, ci, count = arguments
        width, a_start, c_start = m.vector.count, m.start(0, ai), m.start(3, ci)
        with cgutils.for_range(builder, count, intp=m.index) as loop:
            row = m.moved(a_start, builder.mul(loop.index, a_row))
            to = m.moved(c_start, builder.mul(loop.index, m.index(VECTORS * width)))
            for v in range(VECTORS):
                m.store(m.load(m.moved(row, v * width), m.vector), m.moved(to, v * width))
        return context.get_dummy_value()

    return types.void(a, ai, a_row, c, ci, count), codegen


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


@njit(**INNER)
def pack_rows(flat, matrix, panels, start):
    """A matrix into panels [panel][k][column], zeros behind its last column. `matrix`: where it begins, rows, columns.

    Both arrays are flat; the panels begin at `start`.
    """
    origin, depth, columns = matrix
    width = lanes(flat)
    whole = columns // width * width
    for top in range(0, depth, TOGETHER):
        count, place = min(TOGETHER, depth - top), origin + top * columns
        for first in range(0, whole, width):
            copy(flat, place + first, columns, panels, start + first * depth + top * width, count)
        for k in range(top, top + count if whole < columns else top):
            at, place = start + whole * depth + k * width, origin + k * columns + whole
            for j in range(width):
                panels[at + j] = flat[place + j] if whole + j < columns else 0


@register_jitable
def packed_size(depth: int, columns: int, width: int) -> int:
    """Return the numbers of a packed B of so many rows and columns."""
    return (columns + width - 1) // width * width * depth


@register_jitable
def is_packed(depth: int, columns: int, readers: int, width: int) -> bool:
    """Return whether a B of so many rows and columns is packed for so many rows of A.

    It is not where its own rows are whole panels and it is small enough for the fastest cache, or read too few times.
    """
    return columns % width != 0 or (depth * columns > SMALL and min(depth, readers) > FEW)


@njit(**INNER)
def right(flat, matrix, readers, panels, start, pack):
    """A matrix as B of so many rows of A: its array, where it begins there, from row to row, from panel to panel.

    `matrix`: where it begins in its flat array, rows, columns. What is packed goes, if `pack`, to panels at `start`.
    """
    origin, depth, columns = matrix
    width = lanes(flat)
    if not is_packed(depth, columns, readers, width):
        return flat, (origin, columns, width)
    if pack:
        pack_rows(flat, matrix, panels, start)
    return panels, (start, width, depth * width)


@njit(**INNER)
def pack_columns(weight, panels, place):
    """The transpose of some rows of weight (N, K) into flat panels. `place`: first and end row, where panels begin."""
    first, last, start = place
    depth, flat = weight.shape[1], weight.reshape(-1)
    width = lanes(weight)
    block = width // VECTORS
    for n in range(0, (last - first + width - 1) // width * width, block):
        row, at = first + n, start + n // width * width * depth + n % width
        whole = depth // block * block if row + block <= last else 0
        for k in range(0, whole, block):
            transpose(flat, row * depth + k, depth, panels, at + k * width, width)
        for k in range(whole, depth):
            for j in range(block):
                panels[at + k * width + j] = flat[(row + j) * depth + k] if row + j < last else 0
