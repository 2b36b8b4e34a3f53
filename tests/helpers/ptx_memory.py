"""Memory of an emulated device by address: global memory, which is arrays of the host, and that of blocks."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnnfast.problem import Array

SHARED_AT, PEER = 0x400, 1 << 24
"""Where a block's shared memory begins, and how far on that of each block of its cluster is, as its peers see it."""
TRANSACTIONS = 1 << 20
"""Bytes that a barrier can be told of beyond those expected, or short of them."""


class GlobalMemory:
    """Arrays that kernels reach by their addresses. Whatever is not within one cannot be read or written."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.places: list[tuple[int, int, Array, Array, bool]] = []

    def place(self, a: Array, *, writable: bool = False) -> np.uint64:
        """Make an array reachable; its address. One that is `writable` can be written, any other loaded as constant."""
        assert a.flags.c_contiguous
        start, raw = a.ctypes.data, a.reshape(-1).view(np.uint8)
        if a.nbytes == 0:
            return np.uint64(start)
        n = bisect_right(self.starts, start)
        self.starts.insert(n, start)
        self.places.insert(n, (start, start + a.nbytes, raw, a, writable))
        return np.uint64(start)

    def at(self, address: Any, size: int, *, write: bool = False, constant: bool = False) -> Array:
        """The bytes there. Raises IndexError for an access that a device would refuse, or should."""
        if not isinstance(address, np.uint64):
            raise TypeError(f"an address in global memory is a {type(address).__name__}, expected uint64")
        begin = int(address)
        n = bisect_right(self.starts, begin) - 1
        if n < 0 or begin + size > self.places[n][1]:
            near = "" if n < 0 else f", {begin - self.places[n][1]} bytes beyond {self.places[n][3].shape}"
            raise IndexError(f"{size} bytes at {begin:#x} are in no array{near}")
        start, _, raw, a, writable = self.places[n]
        if begin % size:
            raise IndexError(f"{size} bytes at {begin:#x}, which is no multiple of that")
        if write and not writable:
            raise IndexError(f"a store to an array {a.shape} that is only read")
        if constant and writable:
            raise IndexError(f"a load as constant from an array {a.shape} that the kernel may write")
        return raw[begin - start : begin - start + size]


@dataclass(eq=False)
class Barrier:
    """An mbarrier: how many arrivals a phase takes, how many are still to come, bytes expected and not yet there."""

    count: int
    pending: int
    bytes: int = 0
    phase: int = 0
    waiting: list[Any] = field(default_factory=list)

    def __str__(self) -> str:
        return f"a barrier in phase {self.phase} that lacks {self.pending} arrivals and {self.bytes} bytes"

    def changed(self, arrivals: int, transactions: int) -> list[Any]:
        """Take arrivals and bytes; the threads that this wakes, where a phase ends."""
        self.pending -= arrivals
        self.bytes += transactions
        assert self.pending >= 0, "an arrival at a barrier that lacks none"
        assert abs(self.bytes) < TRANSACTIONS, "more bytes than a barrier can count"
        if self.pending or self.bytes:
            return []
        self.phase, self.pending = self.phase + 1, self.count
        woken, self.waiting = self.waiting, []
        return woken


class Block:
    """One block: its shared memory, which holds NaN where nobody has written, and its barriers by address."""

    def __init__(self, number: int, rank: int, threads: int, shared: int) -> None:
        self.number, self.rank, self.alive, self.size = number, rank, threads, shared
        self.x = self.y = 0
        self.memory = np.full(-(-shared // 16) * 16, 0xFF, np.uint8)
        self.barriers: dict[int, Barrier] = {}
        self.cluster: list[Block] = []

    def at(self, address: Any, size: int, *, peers: bool = False) -> tuple[Block, Array]:
        """Whose the bytes are and what they are; of another block only where `peers` may be reached."""
        if not isinstance(address, np.uint32):
            raise TypeError(f"an address in shared memory is a {type(address).__name__}, expected uint32")
        rank, inside = divmod(int(address), PEER)
        if rank and not peers:
            raise IndexError(f"an address in a peer's shared memory, {int(address):#x}, where a block's own is needed")
        begin = inside - SHARED_AT
        if begin < 0 or begin + size > self.size or begin % size:
            raise IndexError(f"{size} bytes at {begin} of {self.size} bytes of shared memory")
        owner = self.cluster[rank - 1] if rank else self
        if not owner.alive:
            raise IndexError(f"block {owner.number} has ended, and its shared memory with it")
        return owner, owner.memory[begin : begin + size]

    def barrier(self, address: Any, *, peers: bool = False) -> Barrier:
        """The barrier there. Raises IndexError if none was made."""
        owner, _ = self.at(address, 8, peers=peers)
        found = owner.barriers.get(int(address) % PEER)
        if found is None:
            raise IndexError(f"no barrier was made at {int(address) % PEER - SHARED_AT} of block {owner.number}")
        return found
