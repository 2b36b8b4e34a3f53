"""Matrix products over the register tile: B is packed into panels, C += A B runs tile after tile."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from rnnfast.numba_kernels.tile import ROWS, tile1, tile2, tile3, tile4, tile5, tile6

OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
"""Of every kernel. Multiplication and addition may be fused; nothing is reordered."""
PART = 64
"""Numbers that one chain sums, as in the C kernels: long chains add up more rounding."""
BLOCK = 256
"""Rows of a panel that stay in L1 while rows of A pass by: 16 KB."""


@njit(**OPTIONS)
def pack_rows(weight, panels):
    """weight (K, N) into panels (P, K, lanes), zeros behind its last column."""
    count, lanes = weight.shape[1], panels.shape[2]
    for p in range(panels.shape[0]):
        for k in range(panels.shape[1]):
            for j in range(lanes):
                column = p * lanes + j
                panels[p, k, j] = weight[k, column] if column < count else 0


@njit(**OPTIONS)
def pack_columns(weight, panels):
    """The transpose of weight (N, K) into panels (P, K, lanes), zeros behind its last row."""
    count, lanes = weight.shape[0], panels.shape[2]
    for p in range(panels.shape[0]):
        for j in range(lanes):
            row = p * lanes + j
            for k in range(panels.shape[1]):
                panels[p, k, j] = weight[row, k] if row < count else 0


@njit(**OPTIONS)
def tile_part(rows, a, ai, a_row, a_step, b, bi, c, ci, c_row, count):
    """The tile of so many rows."""
    if rows == 6:
        tile6(a, ai, a_row, a_step, b, bi, c, ci, c_row, count)
    elif rows == 5:
        tile5(a, ai, a_row, a_step, b, bi, c, ci, c_row, count)
    elif rows == 4:
        tile4(a, ai, a_row, a_step, b, bi, c, ci, c_row, count)
    elif rows == 3:
        tile3(a, ai, a_row, a_step, b, bi, c, ci, c_row, count)
    elif rows == 2:
        tile2(a, ai, a_row, a_step, b, bi, c, ci, c_row, count)
    else:
        tile1(a, ai, a_row, a_step, b, bi, c, ci, c_row, count)


@njit(**OPTIONS)
def product(rows, a, ai, a_row, a_step, panels, c, ci, c_row, columns):
    """C (rows, columns) += A (rows, K) B. A and C are flat arrays: where they begin, from row to row, A's k to k."""
    depth, lanes = panels.shape[1], panels.shape[2]
    b = panels.reshape(-1)
    edge = np.zeros(ROWS * lanes, panels.dtype)
    tiles = (rows + ROWS - 1) // ROWS
    for start in range(0, depth, BLOCK):
        stop = min(start + BLOCK, depth)
        for p in range(panels.shape[0]):
            left = columns - p * lanes
            row = 0
            for n in range(tiles):
                end = rows * (n + 1) // tiles
                count = end - row
                for k in range(start, stop, PART):
                    part = min(PART, stop - k)
                    place, bi = ai + row * a_row + k * a_step, (p * depth + k) * lanes
                    if left >= lanes:
                        tile_part(count, a, place, a_row, a_step, b, bi, c, ci + row * c_row + p * lanes, c_row, part)
                    else:
                        tile_part(count, a, place, a_row, a_step, b, bi, edge, 0, lanes, part)
                if left < lanes:
                    for r in range(count):
                        for j in range(left):
                            c[ci + (row + r) * c_row + p * lanes + j] += edge[r * lanes + j]
                    edge[:] = 0
                row = end
