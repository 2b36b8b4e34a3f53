"""Which way a layer runs on a device: clusters of blocks, one block a group of rows, groups, or a launch a product.

A: a block holds all of W_hh in its registers, and only its own threads wait for one another. B: the blocks of a group
do, together, and meet at every product. C: W_hh is too large for that, so that every step is a product over memory and
a kernel of the cell. D: the blocks of a cluster hold W_hh for up to eight rows, as numbers for tensor cores, and send
one another what they make of them (cluster/): where it serves, it is the choice. How many rows there are does not
matter: a row has the same bits alone and in any batch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rnnfast.backends.cuda.block_sums import room_of
from rnnfast.backends.cuda.blocks import Block, Share, backward_shares, forward_shares
from rnnfast.backends.cuda.cluster.launch import reason_against
from rnnfast.backends.cuda.cluster.shape import ROWS, blocks_of
from rnnfast.backends.cuda.shapes import Cell

ENTRIES_MOST = 32
"""Rows that a block takes at a time: enough to keep it busy between two barriers."""
TABLES = 32
"""Bytes of shared memory in which a block keeps what it knows of a row."""


@dataclass(frozen=True)
class Limits:
    """Limits of a device, or of what is used of it."""

    threads: int
    """Threads of a block."""
    lanes: int
    """Threads of a warp."""
    words: tuple[int, ...]
    """Weights of four bytes that a thread holds: as many as the first number if that will do, else the next."""
    shared: int
    """Bytes of shared memory that a block has."""
    blocks: int
    """That run at once."""
    capability: tuple[int, int] = (0, 0)
    """Its compute capability."""
    ahead: int = 2
    """Vectors that threads read before their turn: each takes registers."""
    words_of_doubles: tuple[int, ...] = ()
    """The same as `words` where numbers have eight bytes, if it is not that."""


@dataclass(frozen=True)
class Tier:
    """The choice, and why.

    >>> Tier("C", "W_hh is too large").groups
    1
    """

    name: str
    reason: str
    block: Block | None = None
    members: int = 1
    """Blocks of a group."""
    groups: int = 1


def choose(limits: Limits, cell: Cell, size: int, itemsize: int, batch: int) -> Tier:
    """Return the tier for a layer of `size` hidden units."""
    against = reason_against(cell.name, size, itemsize, limits.capability)
    if against is None:
        return clusters(size, batch)
    found = without_clusters(limits, cell, size, itemsize, batch)
    return replace(found, reason=f"{found.reason}; {against}")


def clusters(size: int, batch: int, rows: int = ROWS) -> Tier:
    """Return the tier of clusters of so many rows, for a layer that they serve."""
    members, tiles = blocks_of(size), -(-batch // rows)
    holder = "one block holds" if members == 1 else f"a cluster of {members} blocks holds"
    return Tier("D", f"{holder} W_hh for {rows} {'row' if rows == 1 else 'rows'}", None, members, tiles)


def without_clusters(limits: Limits, cell: Cell, size: int, itemsize: int, batch: int) -> Tier:
    """Return the tier where clusters do not serve."""
    for words in (limits.words_of_doubles if itemsize > 4 else ()) or limits.words:
        blocks = [
            block for block in _blocks(limits, cell, size, itemsize) if _held(block, cell, size, itemsize) <= words
        ]
        if blocks:
            alone = [block for block in blocks if block.units >= size]
            block = alone[-1] if alone else blocks[0]  # all lanes that there is use for, or else the fewest blocks
            members = -(-size // block.units)
            holder = "one block holds" if members == 1 else f"{members} blocks together hold"
            groups = max(1, min(batch, limits.blocks // members))
            return Tier("B" if members > 1 else "A", f"{holder} W_hh in registers", block, members, groups)
    return Tier("C", f"the registers of {limits.blocks} blocks cannot hold W_hh")


def reach(limits: Limits, cell: Cell, largest: int = 4096) -> str:
    """Return, for people, up to which hidden size of float32 nets the tiers go."""
    names = [choose(limits, cell, size, 4, 1).name for size in range(8, largest + 1, 8)]
    ends = {name: 8 * (names.index(name) + names.count(name)) for name in dict.fromkeys(names) if name != "C"}
    return ", ".join([*(f"{name} to {end} hidden units" for name, end in ends.items()), "C beyond"])


def _blocks(limits: Limits, cell: Cell, size: int, itemsize: int) -> list[Block]:
    """Return blocks of which enough run at once, most units first."""
    found = []
    for lanes in (2**i for i in range(limits.lanes.bit_length())):
        block = Block(limits.threads // lanes, limits.threads, 1, limits.lanes, limits.ahead)
        if -(-size // block.units) <= limits.blocks:
            room = max(room_of(block, share) for share in _shares(block, cell, size)) * itemsize + TABLES
            found.append(replace(block, entries=min(limits.shared // room, ENTRIES_MOST)))
    return found


def _shares(block: Block, cell: Cell, size: int) -> tuple[Share, ...]:
    return *forward_shares(block, cell, size), *backward_shares(block, cell, size)


def _held(block: Block, cell: Cell, size: int, itemsize: int) -> int:
    """Return how many words of four bytes a thread keeps for all steps."""
    ways = forward_shares(block, cell, size), backward_shares(block, cell, size)
    return max(sum(share.words for share in way) for way in ways) * itemsize // 4
