"""Matrix products of the Numba backend: all tiles, blocks of rows and of k, B in panels or as it lies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")

import numba

from rnnfast.backends.numba.panels import FEW, pack_columns, packed_size, right
from rnnfast.backends.numba.product import AT_ONCE, BLOCK, PART, product
from rnnfast.backends.numba.tile import ROWS
from rnnfast.backends.numba.vectors import lanes
from rnnfast.problem import Array

GAP = 3
"""Numbers between rows of C, which no product writes."""


@numba.njit
def times(a: Any, a_row: int, a_step: int, flat: Any, c: Any, sizes: Any, readers: int, add: int, room: Any) -> None:
    rows, depth, columns = sizes
    b, at = right(flat, (0, depth, columns), readers, room, 0, True)
    product(a, b, c, (rows, depth, columns), (0, a_row, a_step), at, (0, columns + GAP, add))


@numba.njit
def packed_transpose(weight: Any, to: Any) -> None:
    pack_columns(weight, to, (0, weight.shape[0], 0))


def multiply(a: Array, b: Array, c: Array, *, turned: bool = False, readers: int = 2 * FEW, add: bool = False) -> Array:
    """A B, put into the rows of a copy of C or added to them. `turned`: what is given of A lies column by column."""
    (rows, depth), columns, c = a.shape, b.shape[1], c.copy()
    flat, steps = (a.T.copy(), (1, rows)) if turned else (a, (depth, 1))
    room = np.full(int(packed_size(depth, columns, lanes(a))), np.nan, a.dtype)
    times(flat.ravel(), *steps, b.ravel(), c.ravel(), (rows, depth, columns), readers, int(add), room)
    return c


def operands(rows: int, depth: int, columns: int, dtype: str) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((rows, depth)), rng.standard_normal((depth, columns))
    c = np.full((rows, columns + GAP), np.nan)
    return a.astype(dtype), b.astype(dtype), c.astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("depth, columns", [(1, 1), (PART + 1, 31), (PART, 64), (BLOCK + 7, 45), (2 * BLOCK, 256)])
@pytest.mark.parametrize("rows", [*range(1, 2 * ROWS + 2), AT_ONCE + ROWS + 1])
def test_a_row_has_the_same_bits_whatever_tile_it_is_in(rows: int, depth: int, columns: int, dtype: str) -> None:
    a, b, c = operands(rows, depth, columns, dtype)
    expected = np.concatenate([multiply(a[n : n + 1], b, c[:1]) for n in range(rows)])
    truth = a.astype(np.longdouble) @ b.astype(np.longdouble)
    assert np.linalg.norm(expected[:, :columns] - truth) <= 4 * np.finfo(dtype).eps * np.linalg.norm(truth)
    assert np.isnan(expected[:, columns:]).all()
    for turned in (False, True):
        for readers in (1, 2 * FEW):
            np.testing.assert_array_equal(multiply(a, b, c, turned=turned, readers=readers), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_there_is_added_to(dtype: str) -> None:
    a, b, _ = operands(9, BLOCK + PART + 5, 77, dtype)
    there = np.full((9, 77 + GAP), 100, dtype)
    whole, last = multiply(a, b, there, add=True), np.full((9, 77 + GAP), 100, dtype)
    for k in range(0, a.shape[1], PART):  # the parts of a sum are added in turn
        last = multiply(np.ascontiguousarray(a[:, k : k + PART]), b[k : k + PART], last, add=True)
    np.testing.assert_array_equal(whole, last)
    np.testing.assert_array_equal(whole[:, 77:], 100)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows, depth", [(1, 1), (33, 17), (70, 40), (64, 64)])
def test_panels_are_columns_side_by_side_and_zeros_behind_the_last(rows: int, depth: int, dtype: str) -> None:
    weight = np.random.default_rng(0).standard_normal((rows, depth)).astype(dtype)
    width = lanes(weight)
    count = -(-rows // width)
    to = np.full(count * width * depth, np.nan, dtype)
    packed_transpose(weight, to)
    whole = np.zeros((depth, count * width), dtype)
    whole[:, :rows] = weight.T
    np.testing.assert_array_equal(to.reshape(count, depth, width), whole.reshape(depth, count, width).swapaxes(0, 1))
