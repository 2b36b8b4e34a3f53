"""How a cluster shares the work of a tile of 8 rows, and what lies where in its blocks' shared memory.

A block has 16 hidden units, its 8 warps W_hh's rows of these: a warp has 8 units (`unit group`) and a quarter of the
columns (`part`). The sums of the parts meet in shared memory, where each of 128 cells, a unit of a row, belongs to one
thread of either half of the block: the halves take turns, so that what a step reads was asked for two steps before.
"""

from __future__ import annotations

from dataclasses import dataclass

UNITS, ROWS, PARTS, WARPS = 16, 8, 4, 8
"""Units of a block, rows of a tile, parts of a sum, warps of a block."""
CELLS, THREADS = UNITS * ROWS, 32 * WARPS
HALVES = THREADS // CELLS
"""Sets of threads that take turns."""
TILE_WORDS = ROWS * UNITS
"""Words of h in a k tile: 16 units of 8 rows, [row][unit]."""
LARGEST = 16 * UNITS
"""Hidden units of the largest cluster, of 16 blocks."""


@dataclass(frozen=True)
class Shape:
    """Offsets in bytes into a block's shared memory, for parts of `depth` k tiles.

    >>> Shape(1).size, Shape(4).size
    (22864, 35152)
    """

    depth: int

    @property
    def slot(self) -> int:
        """The bytes of a slot, which takes h of all units: there are two, of even visits and odd ones."""
        return PARTS * self.depth * TILE_WORDS * 4

    @property
    def sums(self) -> int:
        """The bytes of the sums of all parts, four gates a cell; there are two of them from 0 on."""
        return PARTS * CELLS * 16

    @property
    def c(self) -> int:
        """Where c of the cells lies, then h."""
        return 2 * self.sums

    @property
    def h(self) -> int:
        """Where h of the cells lies."""
        return self.c + 4 * CELLS

    @property
    def largest_weights(self) -> int:
        """Where the largest weights of each part lie, [part][gate][unit]."""
        return self.h + 4 * CELLS

    @property
    def inverses(self) -> int:
        """Where the inverse scales of weights lie, [unit][gate], a bias in place of a fourth gate."""
        return self.largest_weights + PARTS * 4 * UNITS * 4

    @property
    def largest_states(self) -> int:
        """Where the largest |h| of each row lies, then the largest factor of its mask."""
        return self.inverses + 4 * UNITS * 4

    @property
    def slots(self) -> int:
        """Where the slots lie."""
        return self.largest_states + 2 * ROWS * 4

    @property
    def barriers(self) -> int:
        """Where the slots' barriers lie, 8 bytes each."""
        return self.slots + 2 * self.slot

    @property
    def size(self) -> int:
        """All bytes."""
        return self.barriers + 16


def blocks_of(size: int) -> int:
    """Return how many blocks a cluster for so many hidden units has.

    >>> blocks_of(65)
    5
    """
    return -(-size // UNITS)


def shape_of(size: int) -> Shape:
    """Return the shape for so many hidden units.

    >>> shape_of(65).depth
    2
    """
    return Shape(-(-blocks_of(size) // PARTS))
