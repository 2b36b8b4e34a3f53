"""The products of a layer: what each launch is, from shapes alone; addresses are all that a call has to add.

    y = x W^T + biases      `of_inputs`, in float16 halves: gates of the inputs; for several W at once
    dx = dz W               `to_inputs`, in TF32
    dW = dz^T x             `of_weights`, in TF32, with sums of dz's columns, in slices that reduction.py adds up
    h W_hh^T, dz W_hh       `of_step`, as the first two, for few rows, in slices that the cell's kernel adds up

A matrix is (address, numbers from period to period, numbers from row to row), its last axis contiguous; see operand.py.
A row of y and of dx has the same bits in any batch: nothing but its own numbers and k decide how it is summed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from rnnfast.backends.cuda.counted import following
from rnnfast.backends.cuda.gemm.kernel import product_kernel
from rnnfast.backends.cuda.gemm.tile import DEPTH, Tile

SMALLEST = 32
"""The side of the smallest tiles."""
AT_ONCE = {32: 528, 64: 264, 128: 132}
"""Blocks that a large device of 132 multiprocessors runs at once, by the side of their tiles."""
STAGE_COST = {32: 12, 64: 15, 128: 26}
"""Tenths of a microsecond that they take for a stage, as measured; three more stages go to their beginning and end."""
ENOUGH_BLOCKS = 132
"""Blocks from which on larger tiles pay."""
STEP_BLOCKS = 768
"""Blocks of the smallest tiles that read a step's weights as fast as a large device can: six a multiprocessor."""
SHORTEST_SLICE = 256
"""Numbers of k from which on a slice of a step's product is worth its own block."""


class Matrix(NamedTuple):
    """Rows of numbers on a device: `outer` between periods, `inner` between rows, both in numbers."""

    address: int
    inner: int
    outer: int = 0


class Rows(NamedTuple):
    """Which rows: `period` of a sequence (0: rows lie evenly), and the address of a list of int32 numbers, or 0."""

    period: int = 0
    listed: int = 0


class Biases(NamedTuple):
    """Addresses of two biases that are added, or 0, and of how many columns the second is."""

    first: int = 0
    second: int = 0
    columns: int = 0


class Aways(NamedTuple):
    """How far on, in bytes modulo 2^64, the next B lies, and its two biases."""

    b: int = 0
    first: int = 0
    second: int = 0


@dataclass(frozen=True)
class Product:
    """A product C (m, n) of k numbers: its kernel, `make(ops, *constants)`, and its launch.

    m, or k and `slices`, may be counted.

    >>> product = of_inputs(512, 1024, 256)
    >>> product.constants, product.grid, product.threads, product.shared
    ((True, True, True, 32), 512, 64, 16896)
    """

    m: int
    n: int
    k: int
    constants: tuple[bool, bool, bool, int]
    slices: int = 1
    sets: int = 1
    """How many B there are, each with a part of C and biases of its own."""
    make = staticmethod(product_kernel)

    @property
    def tile(self) -> Tile:
        """The tile of C that a block makes."""
        return Tile(self.constants[-1])

    @property
    def grid(self) -> int:
        """Blocks."""
        return following(_blocks, self.m, self.n, self.tile.side, self.slices, self.sets)

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return self.tile.threads

    @property
    def shared(self) -> int:
        """Bytes of dynamic shared memory."""
        return self.tile.shared_bytes

    @property
    def depth(self) -> int:
        """Numbers of k in a slice."""
        return following(_depth, self.k, self.slices)

    def arguments(
        self,
        a: Matrix,
        b: Matrix,
        c: Matrix,
        rows: Rows = Rows(),  # noqa: B008 - immutable
        biases: Biases = Biases(),  # noqa: B008
        aways: Aways = Aways(),  # noqa: B008
        *,
        sums: int = 0,
        part: int = 0,
        add: bool = False,
    ) -> tuple[int, ...]:
        """Return the kernel's arguments.

        `rows` are those of a sequence: of A and C, or of a product of_weights those of A and B, which are k. `sums`:
        the address for sums of A's columns, for products of_weights. `part`: numbers from slice to slice, of C and
        of the sums, or from set to set of C. With `add`, C is added to. Raises ValueError where a matrix is too large
        for the kernel.
        """
        a_by_k, b_by_k, _, _ = self.constants
        _check_reach("A", a, *((self.m, self.k) if a_by_k else (self.k, self.m)), rows.period)
        _check_reach("B", b, *((self.n, self.k) if b_by_k else (self.k, self.n)), 0 if a_by_k else rows.period)
        _check_reach("C", c, self.m, self.n + part * (self.slices * self.sets - 1), rows.period if a_by_k else 0)
        matrices = tuple(value for matrix in (a, b, c) for value in (matrix.address, matrix.outer, matrix.inner))
        counts = (part, self.m, self.n, self.k, self.depth, int(add))
        return (*matrices, rows.listed, rows.period, *biases, sums, *counts, *aways)


def of_inputs(rows: int, gates: int, features: int, sets: int = 1) -> Product:
    """Return y (rows, gates) = x (rows, features) W^T, W (gates, features), for so many W."""
    return Product(rows, gates, features, (True, True, True, side_for(rows, gates * sets)), sets=sets)


def to_inputs(rows: int, features: int, gates: int) -> Product:
    """Return dx (rows, features) = dz (rows, gates) W, W (gates, features)."""
    return Product(rows, features, gates, (True, False, False, side_for(rows, features)))


def of_weights(gates: int, features: int, rows: int, slices: int) -> Product:
    """Return dW (gates, features) = dz^T x, dz (rows, gates), x (rows, features), in so many slices of rows."""
    return Product(gates, features, rows, (False, False, False, side_of_weights(gates, features, rows, slices)), slices)


def of_step(rows: int, columns: int, numbers: int, *, by_k: bool) -> Product:
    """Return a step's product (rows, columns) with W (columns, numbers) where it is `by_k`, else (numbers, columns)."""
    side, slices = side_for_step(rows, columns, numbers), slices_for_step(columns, numbers)
    return Product(rows, columns, numbers, (True, by_k, by_k, side), slices)


def slices_for_step(columns: int, numbers: int) -> int:
    """Return how many slices of k keep a device busy with few rows, the same for any number of rows."""
    most = max(1, min(STEP_BLOCKS // -(-columns // SMALLEST), numbers // SHORTEST_SLICE))
    return -(-numbers // _depth(numbers, most))


def side_for_step(rows: int, columns: int, numbers: int) -> int:
    """Return the side of a step's tiles: no larger than there are rows for."""
    if rows <= SMALLEST:
        return SMALLEST
    side = side_for(rows, columns * slices_for_step(columns, numbers))
    return min(side, 64) if rows <= 64 else side


def slices_for(gates: int, features: int, rows: int) -> int:
    """Return how many slices of rows keep a device busy with dW (gates, features), none shorter than 128 rows."""
    found = {side: _most_slices(gates, features, rows, side) for side in AT_ONCE}
    slices = found[min(found, key=lambda side: _cost(gates, features, rows, side, found[side]))]
    return 1 if slices == 1 else -(-rows // _depth(rows, slices))


def most_slices(gates: int, features: int, rows: int) -> int:
    """Return how many slices there are at most of dW (gates, features) for up to so many rows."""
    return max(_most_slices(gates, features, rows, side) for side in AT_ONCE)


def side_of_weights(gates: int, features: int, rows: int, slices: int) -> int:
    """Return the side of tiles with which dW (gates, features) of so many slices takes least time."""
    return min(AT_ONCE, key=lambda side: _cost(gates, features, rows, side, slices))


def _most_slices(m: int, n: int, k: int, side: int) -> int:
    """Return how many slices, none shorter than 128, all run at once."""
    return max(1, min(AT_ONCE[side] // _tiles(m, n, side), k // 128))


def _cost(m: int, n: int, k: int, side: int, slices: int) -> int:
    waves, stages = -(-_tiles(m, n, side) * slices // AT_ONCE[side]), _depth(k, slices) // DEPTH
    return waves * (stages + 3) * STAGE_COST[side]


def _check_reach(name: str, matrix: Matrix, rows: int, columns: int, period: int) -> None:
    """Raise ValueError unless all numbers of a matrix can be reached by 31 bits, rows that are not listed at least."""
    far = (rows - 1) // period * abs(matrix.outer) if period else 0
    far += ((min(period, rows) if period else rows) - 1) * abs(matrix.inner) + columns
    if far >= 2**31:
        raise ValueError(
            f"{name} has numbers {far} numbers from its first one, expected fewer than 2^31: cut its rows in pieces"
        )


def _tiles(m: int, n: int, side: int) -> int:
    return -(-m // side) * -(-n // side)


def _blocks(m: int, n: int, side: int, slices: int, sets: int) -> int:
    return _tiles(m, n, side) * slices * sets


def _depth(k: int, slices: int) -> int:
    return -(-k // (DEPTH * slices)) * DEPTH


def side_for(m: int, n: int) -> int:
    """Return the side of tiles: the largest of which there are enough to keep a device busy."""
    if _tiles(m, n, 128) >= ENOUGH_BLOCKS:
        return 128
    return 64 if _tiles(m, n, 64) >= ENOUGH_BLOCKS else SMALLEST
