"""Matrix products over the register tile, and the panels that B is packed into."""

from __future__ import annotations

from numba import njit
from numba.extending import register_jitable

from rnnfast.backends.numba.compiling import INNER
from rnnfast.backends.numba.tile import ROWS, VECTORS, lanes, make_tile, transpose

PART = 64
"""Numbers that one chain sums, as in the C kernels: long chains add up more rounding."""
SMALL = 8192
"""Numbers in a B that stays in L1 as a whole: C is then written in order, a few rows after another."""
FEW = 2 * ROWS
"""Rows that are read too few times to pay for packing what they are multiplied with."""
BLOCK = 256
"""Rows of a panel that stay in L1 while rows of A pass by: 16 KB."""

tile1, tile2, tile3, tile4, tile5, tile6 = (make_tile(rows, 1) for rows in range(1, ROWS + 1))
# One row or two have too few sums in a panel to hide how long a multiply-add takes.
tile1x2, tile1x4, tile2x2 = make_tile(1, 2), make_tile(1, 4), make_tile(2, 2)


@njit(**INNER)
def pack_rows(flat, matrix, panels, start):
    """A matrix into panels [panel][k][column], zeros behind its last column. `matrix`: where it begins, rows, columns.

    Both arrays are flat; the panels begin at `start`.
    """
    origin, depth, columns = matrix
    width = lanes(flat)
    for top in range(0, depth, 8):  # a few rows at a time, as all of them are far apart
        for first in range(0, columns, width):
            for k in range(top, min(top + 8, depth)):
                at, place = start + first * depth + k * width, origin + k * columns + first
                if first + width <= columns:
                    for j in range(width):
                        panels[at + j] = flat[place + j]
                else:
                    for j in range(width):
                        panels[at + j] = flat[place + j] if first + j < columns else 0


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


@njit(**INNER)
def tile(rows, panels, a, ai, a_row, a_step, b, bi, b_row, b_panel, c, ci, c_row, count, columns, keep):
    """The tile of so many rows and panels."""
    if rows == 6:
        tile6(a, ai, a_row, a_step, b, bi, b_row, b_panel, c, ci, c_row, count, columns, keep)
    elif rows == 5:
        tile5(a, ai, a_row, a_step, b, bi, b_row, b_panel, c, ci, c_row, count, columns, keep)
    elif rows == 4:
        tile4(a, ai, a_row, a_step, b, bi, b_row, b_panel, c, ci, c_row, count, columns, keep)
    elif rows == 3:
        tile3(a, ai, a_row, a_step, b, bi, b_row, b_panel, c, ci, c_row, count, columns, keep)
    elif rows == 2 and panels == 2:
        tile2x2(a, ai, a_row, a_step, b, bi, b_row, b_panel, c, ci, c_row, count, columns, keep)
    elif rows == 2:
        tile2(a, ai, a_row, a_step, b, bi, b_row, b_panel, c, ci, c_row, count, columns, keep)
    elif panels == 4:
        tile1x4(a, ai, a_row, a_step, b, bi, b_row, b_panel, c, ci, c_row, count, columns, keep)
    elif panels == 2:
        tile1x2(a, ai, a_row, a_step, b, bi, b_row, b_panel, c, ci, c_row, count, columns, keep)
    else:
        tile1(a, ai, a_row, a_step, b, bi, b_row, b_panel, c, ci, c_row, count, columns, keep)


@njit(**INNER)
def product(a, b, c, sizes, a_at, b_at, c_at):
    """C = A B, or C += A B, of `sizes`: rows, depth, columns. All are flat; B is packed or whole panels side by side.

    `a_at`, `b_at` and `c_at`: where each begins, counted in numbers, and how far it is from row to row; of A also from
    k to k, of B from panel to panel; of C whether to add, 1 or 0.
    """
    (rows, depth, columns), (ai, a_row, a_step), (bi, b_row, b_panel), (ci, c_row, add) = sizes, a_at, b_at, c_at
    width = lanes(b)
    most = 4 if rows == 1 else 2 if rows == 2 else 1
    at_once = ROWS if depth * columns <= SMALL else max(rows, 1)  # there may be no row
    for top in range(0, rows, at_once):
        bottom = min(top + at_once, rows)
        for start in range(0, depth, BLOCK):
            p = 0
            while p * width < columns:
                rest, panels = columns - p * width, most
                while panels * width > rest and panels > 1:
                    panels //= 2
                row = top
                while row < bottom:
                    count = (bottom - row) // ((bottom - row + ROWS - 1) // ROWS)
                    place, more = ci + row * c_row + p * width, add > 0 or start > 0
                    for k in range(start, min(start + BLOCK, depth), PART):
                        at, bk, part = ai + row * a_row + k * a_step, bi + p * b_panel + k * b_row, min(PART, depth - k)
                        tile(
                            count, panels, a, at, a_row, a_step, b, bk, b_row, b_panel,
                            c, place, c_row, part, rest, more,
                        )  # fmt: skip
                        more = True
                    row += count
                p += panels
