"""Matrices as products take them: a flat array, and where in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Matrix:
    """A flat array and where a matrix lies in it: its beginning, from row to row, from column to column.

    >>> Matrix(None, 2, 5, 1).turned
    Matrix(array=None, begin=2, row=1, column=5)
    """

    array: Any
    begin: int
    row: int
    column: int

    @property
    def argument(self) -> tuple[Any, int, int, int]:
        """The matrix as the kernel takes it."""
        return self.array, self.begin, self.row, self.column

    @property
    def turned(self) -> Matrix:
        """The transpose."""
        return Matrix(self.array, self.begin, self.column, self.row)


def matrix(a: Any, column: int = 0) -> Matrix:
    """Return a C-contiguous array (rows, columns) from a column on."""
    return Matrix(a.reshape(-1), column, a.shape[1], 1)
