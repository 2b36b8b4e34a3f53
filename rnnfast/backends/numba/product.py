"""Matrix products over the register tile."""

from __future__ import annotations

from numba import njit

from rnnfast.backends.numba.compiling import INNER
from rnnfast.backends.numba.panels import SMALL
from rnnfast.backends.numba.tile import ROWS, tile
from rnnfast.backends.numba.vectors import lanes

PART = 64
"""Numbers that one chain sums, as in the C kernels: long chains add up more rounding."""
AT_ONCE = 192
"""Rows of A whose numbers of a block stay in L2 while all panels pass by."""
BLOCK = 256
"""Rows of a panel that stay in L1 while rows of A pass by: 16 KB, with AVX-512 32."""


@njit(**INNER)
def product(a, b, c, sizes, a_at, b_at, c_at):
    """C = A B, or C += A B, of `sizes`: rows, depth, columns. All are flat; B is packed or whole panels side by side.

    `a_at`, `b_at` and `c_at`: where each begins, counted in numbers, and how far it is from row to row; of A also from
    k to k, of B from panel to panel; of C whether to add, 1 or 0.
    """
    (rows, depth, columns), (ai, a_row, a_step), (bi, b_row, b_panel), (ci, c_row, add) = sizes, a_at, b_at, c_at
    width = lanes(b)
    most = 4 if rows == 1 else 2 if rows == 2 else 1
    at_once, ahead = (ROWS, most * width) if depth * columns <= SMALL else (AT_ONCE, 0)
    for top in range(0, rows, at_once):
        bottom = min(top + at_once, rows)
        for start in range(0, depth, BLOCK):
            deep, more = min(BLOCK, depth - start), add > 0 or start > 0
            p = 0
            while p * width < columns:
                rest, panels = columns - p * width, most
                while panels * width > rest and panels > 1:
                    panels //= 2
                row, begins = top, bi + p * b_panel + start * b_row
                while row < bottom:
                    count = (bottom - row) // ((bottom - row + ROWS - 1) // ROWS)
                    left = ai + row * a_row + start * a_step, a_row, a_step
                    to = ci + row * c_row + p * width, c_row, ahead
                    tile(count, panels, a, left, b, (begins, b_row, b_panel), c, to, deep, PART, rest, more)
                    row += count
                p += panels
