"""How a cluster shares the work of a tile of 8 rows backward, and what lies where in its blocks' shared memory.

A block has 16 hidden units, as forward. It multiplies the gradients d of their pre-activations with their rows of W_hh,
which gives a part of dL/dh of all units of the layer: 16 at a time, a band, for each block one. So a band's sums go to
the block whose units they are, which adds those of all blocks, its own too, in the order of the blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

from rnnfast.backends.cuda.cluster.shape import CELLS, ROWS, UNITS, WARPS, blocks_of

BAND_BYTES = 4 * CELLS
"""Bytes of a band's sums: [half of the rows][unit][row of the half]."""
TILE_WORDS = 16 * ROWS
"""Words of d in a k tile, [row][16 numbers of k]."""


@dataclass(frozen=True)
class BackwardShape:
    """The shape for `bands` bands of a warp and `parts` parts of k, offsets in bytes into a block's shared memory.

    `numbers`: of d a unit, 1 or 4. A k tile is 16 numbers: 4 units' four, or 16 units' one.

    >>> BackwardShape(2, 1, 4).size, BackwardShape(1, 4, 4).tiles
    (21520, 1)
    """

    bands: int
    parts: int
    numbers: int

    @property
    def tiles(self) -> int:
        """K tiles of a warp."""
        return UNITS * self.numbers // 16 // self.parts

    @property
    def across(self) -> int:
        """Warps with different bands."""
        return WARPS // self.parts

    @property
    def sources(self) -> int:
        """The most parts of a sum: blocks times parts of k."""
        return WARPS * self.bands

    @property
    def slot(self) -> int:
        """The bytes of a slot for sums; there are two, of even visits and odd ones, from 0 on."""
        return self.sources * BAND_BYTES

    @property
    def gradients(self) -> int:
        """Where d of the block's units lies, of even visits and then of odd ones.

        There are two because a block has all sums of a visit as soon as all warps with its own band have sent theirs;
        others of its warps may still be reading d.
        """
        return 2 * self.slot

    @property
    def gradient_bytes(self) -> int:
        """The bytes of d of one visit."""
        return self.parts * self.tiles * TILE_WORDS * 4

    @property
    def carried_h(self) -> int:
        """Where what reaches h of the visit before, but through the product, lies."""
        return self.gradients + 2 * self.gradient_bytes

    @property
    def carried_c(self) -> int:
        """Where the same of c lies."""
        return self.carried_h + 4 * CELLS

    @property
    def barriers(self) -> int:
        """Where the slots' barriers lie, 8 bytes each."""
        return self.carried_c + 4 * CELLS

    @property
    def size(self) -> int:
        """All bytes."""
        return self.barriers + 16

    depth = 0
    """There are no words of h to send (exchange.py)."""


def backward_shape(size: int, numbers: int) -> BackwardShape:
    """Return the shape for a layer of `size` units.

    >>> [(s.bands, s.parts) for s in (backward_shape(h, 4) for h in (16, 33, 128, 129))]
    [(1, 4), (1, 2), (1, 1), (2, 1)]
    """
    blocks = blocks_of(size)
    most = UNITS * numbers // 16
    parts = next(parts for parts in (4, 2, 1) if parts <= most and parts * blocks <= WARPS or parts == 1)
    return BackwardShape(-(-blocks * parts // WARPS), parts, numbers)
