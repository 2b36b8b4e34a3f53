"""Matrices as products take them: an array, and where in it."""

from __future__ import annotations

from typing import Any, NamedTuple

from rnnfast.backends.cuda.counted import Counted, following, times


class Matrix(NamedTuple):
    """An array on the device and where a matrix lies from its first number on: its beginning, from row to row, from
    column to column.

    >>> Matrix(None, 2, 5, 1).turned
    Matrix(array=None, begin=2, row=1, column=5)
    """

    array: Any
    begin: int
    row: int
    column: int

    @property
    def address(self) -> int:
        """The address of its first number."""
        begin, item = self.begin, self.array.dtype.itemsize
        found: int = self.array.address + (times(begin, item) if type(begin) is Counted else begin * item)
        return found

    @property
    def turned(self) -> Matrix:
        """The transpose."""
        return Matrix(self.array, self.begin, self.column, self.row)

    def below(self, row: int) -> Matrix:
        """Return the rows from this one on, which may be counted."""
        begin, apart = self.begin, self.row
        first = following(_place, begin, row, apart) if type(row) is Counted else _place(begin, row, apart)
        return Matrix(self.array, first, apart, self.column)

    def beside(self, column: int) -> Matrix:
        """Return the columns from this one on."""
        return Matrix(self.array, self.begin + column * self.column, self.row, self.column)


def matrix(a: Any) -> Matrix:
    """Return a C-contiguous array as rows of its last axis."""
    return Matrix(a, 0, a.shape[-1], 1)


def _place(begin: int, row: int, apart: int) -> int:
    return begin + row * apart
