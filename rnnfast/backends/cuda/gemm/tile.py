"""Square tiles of C, one for a block: their threads, and where numbers of the operands lie in shared memory.

Shared memory has two stages; in each the rows of A's tile and those of B's, DEPTH numbers of k from every row. What a
thread writes and reads at once is a unit of four words, 16 bytes, so that they are the registers of a matrix
instruction as it takes them. Of B a unit is four numbers of k of one row. Of A it is two numbers of k of two neighbour
rows, a pair, which are rows g and g + 8 of an instruction; a pair's second units follow its eight first ones. Units are
dealt to banks by `place`, so that neither those who write a tile nor those who multiply it meet in one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

u32 = np.uint32
DEPTH = 32
"""Numbers of k in a stage: one chain of matrix instructions from zero, before it is added to the total in float32."""
ROW_BYTES = 4 * DEPTH
PAIR_BYTES = 2 * ROW_BYTES


@dataclass(frozen=True)
class Tile:
    """A tile of side x side numbers of C; a warp has side / 2 x 32 of them.

    >>> Tile(64).threads, Tile(64).shared_bytes
    (128, 33792)
    """

    side: int

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return 2 * self.side

    @property
    def stage_bytes(self) -> int:
        """Bytes of a stage: the units of both operands, then a scale for each of their rows."""
        return 2 * self.side * (ROW_BYTES + 4)

    @property
    def b_scales(self) -> int:
        """Where in a stage the scales of B's rows begin, after those of A's."""
        return 2 * self.side * ROW_BYTES + 4 * self.side

    @property
    def shared_bytes(self) -> int:
        """Bytes of shared memory of a block."""
        return 2 * self.stage_bytes


def placer(ops, paired):
    """Return the function of (row or pair, four of k) that gives a unit's place among eight."""
    apart = u32(1) if paired else u32(2)

    @ops.inline
    def place(row, unit):
        return u32(unit ^ ((row >> apart) & u32(7)) ^ ((row & u32(1)) << u32(2)))

    return place
