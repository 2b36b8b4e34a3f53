"""The operations of `rnnfast.backends.cuda.ptx` for threads that are greenlets."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from ptx_fragments import mma_f16, mma_tf32
from ptx_memory import PEER, SHARED_AT, Barrier, GlobalMemory
from ptx_threads import Scheduler, me

SMALLEST = np.float32(np.finfo(np.float32).tiny)
ZERO, ONE = np.float32(0), np.float32(1)
OVER, NOT_OVER = np.uint32(1), np.uint32(0)
NUMBER = np.zeros(1, np.float32)
WORD = NUMBER.view(np.uint32)
"""The same bits: what one number is as the other, seven times as fast as by a view of a scalar."""


class Operations:
    """The namespace that kernels take."""

    scheduler: Scheduler

    def __init__(self, memory: GlobalMemory) -> None:
        self.memory = memory
        self.sites: set[tuple[str, str, int]] = set()
        self.without: tuple[str, str, int] | None = None

    # Numba's

    @staticmethod
    def inline(function: Any) -> Any:
        """Device functions are themselves."""
        return function

    cuda = SimpleNamespace(local=SimpleNamespace(array=lambda size, dtype: np.full(4 * size, 0xFF, "u1").view(dtype)))
    """What numba.cuda itself has: here of four-byte numbers alone."""

    # arithmetic

    @staticmethod
    def add(a: Any, b: Any) -> Any:
        return np.uint32((int(a) + int(b)) & 0xFFFFFFFF)

    @staticmethod
    def multiply(a: Any, b: Any) -> Any:
        return np.uint32((int(a) * int(b)) & 0xFFFFFFFF)

    @staticmethod
    def bits(x: Any) -> Any:
        NUMBER[0] = x
        return WORD[0]

    @staticmethod
    def number(w: Any) -> Any:
        WORD[0] = w
        return NUMBER[0]

    @staticmethod
    def pack(x: Any, y: Any) -> Any:
        return np.array((x, y), np.float16).view(np.uint32)[0]

    @staticmethod
    def low(w: Any) -> Any:
        return np.float32(np.uint16(int(w) & 0xFFFF).view(np.float16))

    @staticmethod
    def high(w: Any) -> Any:
        return np.float32(np.uint16(int(w) >> 16).view(np.float16))

    @staticmethod
    def lows(a: Any, b: Any) -> Any:
        return np.uint32(int(a) & 0xFFFF | (int(b) & 0xFFFF) << 16)

    @staticmethod
    def highs(a: Any, b: Any) -> Any:
        return np.uint32(int(a) >> 16 | int(b) >> 16 << 16)

    @staticmethod
    def exp2(x: Any) -> Any:
        value = np.exp2(np.float32(x))
        return ZERO if value < SMALLEST else value

    @staticmethod
    def reciprocal(x: Any) -> Any:
        value = ONE / x
        return np.copysign(ZERO, value) if abs(value) < SMALLEST else value

    @staticmethod
    def absolute(x: Any) -> Any:
        return abs(x)

    @staticmethod
    def copysign(x: Any, sign: Any) -> Any:
        return np.copysign(x, sign)

    # a warp together

    def mma_f16(self, *operands: Any) -> Any:
        return self._mma("mma_f16", mma_f16, operands)

    def mma_tf32(self, *operands: Any) -> Any:
        return self._mma("mma_tf32", mma_tf32, operands)

    def _mma(self, name: str, product: Callable[..., Any], operands: tuple[Any, ...]) -> Any:
        def outcome(brought: dict[int, Any]) -> Any:
            c = np.array([brought[lane][:4] for lane in range(32)], np.float32)
            words = np.array([brought[lane][4:] for lane in range(32)], np.uint32)
            return list(product(c, words[:, :4].copy(), words[:, 4:].copy()))

        return self.scheduler.meet(me().meetings["warp"], name, operands, outcome)

    def shuffle(self, value: Any, lane: Any) -> Any:
        return self._exchange("shuffle", value, int(lane) % 32)

    def shuffle_xor(self, value: Any, mask: Any) -> Any:
        return self._exchange("shuffle_xor", value, me().lane ^ int(mask))

    def _exchange(self, name: str, value: Any, source: int) -> Any:
        def outcome(brought: dict[int, Any]) -> Any:
            return [brought[brought[lane][1]][0] for lane in range(32)]

        return self.scheduler.meet(me().meetings["warp"], name, (value, source), outcome)

    def sync_warp(self) -> None:
        self._sync("sync_warp", "warp")

    def sync_block(self) -> None:
        self._sync("sync_block", "block")

    def sync_cluster(self) -> None:
        _cluster()
        self._sync("sync_cluster", "cluster")

    def _sync(self, name: str, group: str) -> None:
        if not self._left_out(name):
            self.scheduler.meet(me().meetings[group], name, None, lambda brought: None)

    def _left_out(self, name: str) -> bool:
        frame: Any = sys._getframe(1)
        while frame.f_code.co_filename == __file__:
            frame = frame.f_back
        site = (name, frame.f_code.co_filename.rpartition("/")[2], frame.f_lineno)
        self.sites.add(site)
        return site == self.without

    @staticmethod
    def thread() -> Any:
        return np.uint32(me().number)

    @staticmethod
    def block() -> Any:
        return np.uint32(me().block.x)

    @staticmethod
    def block_y() -> Any:
        return np.uint32(me().block.y)

    # global memory

    def load(self, address: Any) -> Any:
        return self.memory.at(address, 4).view(np.float32)[0]

    def load4(self, address: Any) -> Any:
        return tuple(self.memory.at(address, 16).view(np.float32))

    def load_constant(self, address: Any) -> Any:
        return self.memory.at(address, 4, constant=True).view(np.float32)[0]

    def load_constant4(self, address: Any) -> Any:
        return tuple(self.memory.at(address, 16, constant=True).view(np.float32))

    def load_constant_word(self, address: Any) -> Any:
        return self.memory.at(address, 4, constant=True).view(np.uint32)[0]

    def load_constant_byte(self, address: Any) -> Any:
        return np.uint32(self.memory.at(address, 1, constant=True)[0])

    def store(self, address: Any, x: Any) -> None:
        self.memory.at(address, 4, write=True).view(np.float32)[0] = x

    def store4(self, address: Any, *numbers: Any) -> None:
        self.memory.at(address, 16, write=True).view(np.float32)[:] = numbers

    def store_word(self, address: Any, word: Any) -> None:
        self.memory.at(address, 4, write=True).view(np.uint32)[0] = word

    # shared memory

    @staticmethod
    def dynamic_shared() -> Any:
        return np.uint32(SHARED_AT)

    @staticmethod
    def load_shared(address: Any) -> Any:
        return me().block.at(address, 4)[1].view(np.float32)[0]

    @staticmethod
    def load_shared4(address: Any) -> Any:
        return tuple(me().block.at(address, 16)[1].view(np.float32))

    @staticmethod
    def load_shared_word(address: Any) -> Any:
        return me().block.at(address, 4)[1].view(np.uint32)[0]

    @staticmethod
    def load_shared_words4(address: Any) -> Any:
        return tuple(me().block.at(address, 16)[1].view(np.uint32))

    @staticmethod
    def store_shared(address: Any, x: Any) -> None:
        me().block.at(address, 4)[1].view(np.float32)[0] = x

    @staticmethod
    def store_shared4(address: Any, *numbers: Any) -> None:
        me().block.at(address, 16)[1].view(np.float32)[:] = numbers

    @staticmethod
    def store_shared_word(address: Any, word: Any) -> None:
        me().block.at(address, 4)[1].view(np.uint32)[0] = word

    @staticmethod
    def store_shared_words4(address: Any, *words: Any) -> None:
        me().block.at(address, 16)[1].view(np.uint32)[:] = words

    # a cluster

    @staticmethod
    def in_peer(address: Any, rank: Any) -> Any:
        if int(rank) >= len(_cluster()):
            raise IndexError(f"block {int(rank)} of a cluster of {len(_cluster())}")
        return np.uint32(int(address) % PEER + PEER * (int(rank) + 1))

    def send4(self, to: Any, barrier: Any, *words: Any) -> None:
        if self._left_out("send4"):
            return
        block = me().block

        def arrive() -> None:
            block.at(to, 16, peers=True)[1].view(np.uint32)[:] = words
            self.scheduler.wake(block.barrier(barrier, peers=True).changed(0, -16))

        self.scheduler.messages.append(arrive)

    @staticmethod
    def store_peer4(address: Any, *numbers: Any) -> None:
        me().block.at(address, 16, peers=True)[1].view(np.float32)[:] = numbers

    @staticmethod
    def barrier_init(address: Any, count: Any) -> None:
        block = me().block
        block.at(address, 8)
        block.barriers[int(address)] = Barrier(int(count), int(count))

    @staticmethod
    def barrier_init_fence() -> None:
        """Writes are visible at once here."""

    def expect(self, barrier: Any, size: Any) -> None:
        if not self._left_out("expect"):
            self.scheduler.wake(me().block.barrier(barrier).changed(1, int(size)))

    def is_over(self, barrier: Any, parity: Any) -> Any:
        thread = me()
        found = thread.block.barrier(barrier)
        if found.phase & 1 == int(parity) & 1:
            found.waiting.append(thread)
            self.scheduler.wait(thread, found)
        return NOT_OVER if found.phase & 1 == int(parity) & 1 else OVER


def _cluster() -> list[Any]:
    """This block's cluster. Raises RuntimeError where it has none."""
    if not me().block.cluster:
        raise RuntimeError("an illegal instruction: the kernel was not launched in clusters")
    return me().block.cluster
