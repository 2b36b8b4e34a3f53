"""Threads of an emulated PTX kernel as greenlets, where they meet and wait, and who runs next."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import greenlet
from cuda_emulator import Deadlock
from ptx_memory import Barrier, Block

WARP = 32


@dataclass
class Meeting:
    """Where some threads meet: who waits there, and what each brought."""

    name: str
    size: int
    waiting: list[Thread] = field(default_factory=list)
    brought: dict[int, Any] = field(default_factory=dict)
    operation: str = ""


class Thread(greenlet.greenlet):
    """One thread: who it is, where it meets others, and what it waits for."""

    def __init__(self, run: Callable[[], None], block: Block, number: int, meetings: dict[str, Meeting]) -> None:
        super().__init__(run)
        self.block, self.number, self.lane = block, number, number % WARP
        self.meetings = meetings
        self.slow = False
        self.waits_for: Meeting | Barrier | None = None
        self.received: Any = None

    def where(self) -> str:
        """File and line of the kernel where it stands."""
        frame = self.gr_frame
        while frame is not None and "/helpers/" in frame.f_code.co_filename:
            frame = frame.f_back
        return f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}" if frame else "its end"


me = cast(Callable[[], Thread], greenlet.getcurrent)
"""Returns the thread that runs. Kernels ask for it at every other step: it is no function of Python's."""


class Scheduler:
    """Who runs next, and when messages arrive: as late as can be, or by a seed now and then, some warps slow.

    Where nobody can go on, `impatient` lets those who wait for a barrier look at it in vain, again and again.
    """

    def __init__(self, threads: list[Thread], order: int | None, *, impatient: bool) -> None:
        self.chance, self.by_chance, self.impatient = random.Random(order), order is not None, impatient
        self.alive, self.ready, self.slow = set(threads), deque[Thread](), deque[Thread]()
        self.messages: deque[Callable[[], None]] = deque()
        slow_warps = {(id(t.block), t.number // WARP): self.chance.random() < 0.5 for t in threads}
        for thread in threads:
            thread.slow = self.by_chance and slow_warps[id(thread.block), thread.number // WARP]
        self.wake(threads)

    def wake(self, threads: list[Thread]) -> None:
        """Let these go on."""
        for thread in threads:
            thread.waits_for = None
            (self.slow if thread.slow else self.ready).append(thread)

    def wait(self, thread: Thread, reason: Meeting | Barrier) -> None:
        """Let others run until somebody wakes this one."""
        thread.waits_for = reason
        thread.parent.switch()

    def meet(self, meeting: Meeting, operation: str, brings: Any, outcome: Callable[[dict[int, Any]], Any]) -> Any:
        """Wait until all have come; what `outcome` makes of all that was brought, by thread, for this one."""
        thread = me()
        if meeting.waiting and meeting.operation != operation:
            raise AssertionError(
                f"{meeting.name}: {thread.where()} {operation}, where others are in {meeting.operation}"
            )
        meeting.operation = operation
        meeting.brought[thread.lane] = brings
        if len(meeting.waiting) + 1 < meeting.size:
            meeting.waiting.append(thread)
            self.wait(thread, meeting)
            return thread.received
        waiting, brought = meeting.waiting, meeting.brought
        meeting.waiting, meeting.brought = [], {}
        outcomes = outcome(brought)
        for other in waiting:
            other.received = outcomes[other.lane] if outcomes is not None else None
        self.wake(waiting)
        return outcomes[thread.lane] if outcomes is not None else None

    def run(self) -> None:
        """Run all to their ends. Raises Deadlock where threads wait for ever."""
        while self.alive:
            if self.messages and (not (self.ready or self.slow) or self._now(0.1)):
                self.messages.rotate(-self.chance.randrange(len(self.messages)) if self.by_chance else 0)
                self.messages.popleft()()
            elif self.ready or self.slow:
                queue = self.slow if not self.ready or (self.slow and self._now(0.1)) else self.ready
                thread = queue.popleft()
                thread.switch()
                if thread.dead:
                    self.alive.discard(thread)
                    thread.block.alive -= 1
            elif self.impatient and (waiting := [t for t in self.alive if isinstance(t.waits_for, Barrier)]):
                for thread in waiting:
                    thread.waits_for.waiting.clear()  # type: ignore[union-attr]
                self.wake(waiting)
            else:
                raise Deadlock(self._who_waits())
        while self.messages:
            self.messages.popleft()()

    def _now(self, probability: float) -> bool:
        return self.by_chance and self.chance.random() < probability

    def _who_waits(self) -> str:
        found: Counter[str] = Counter()
        for thread in self.alive:
            assert thread.waits_for is not None
            found[f"of block {thread.block.number} at {thread.where()} for {thread.waits_for}"] += 1
        return "threads wait for ever:\n" + "\n".join(f"  {n} {what}" for what, n in sorted(found.items()))
