"""Threads that share the work of a kernel. Which of them does a part never shows in the numbers."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from rnnfast.backends.threads import MOST, get_num_threads

LEAST = 8_000_000
"""Multiply-adds that are worth another thread: several times what it takes to wake one."""
_pool: list[ThreadPoolExecutor] = []
if hasattr(os, "register_at_fork"):  # a child has none of its parent's threads
    os.register_at_fork(after_in_child=_pool.clear)


def share(work: Callable[[int, int], None], count: int, size: int) -> None:
    """Call work(first, last) for parts of range(count), on several threads where its size in multiply-adds pays."""
    parts = min(count, size // LEAST)
    parts = min(parts, get_num_threads()) if parts > 1 else 1
    if parts == 1:
        work(0, count)
        return
    if not _pool:
        _pool.append(ThreadPoolExecutor(MOST, "rnnfast"))  # starts threads only as they are needed
    ends = [count * n // parts for n in range(parts + 1)]
    others = [_pool[0].submit(work, ends[n], ends[n + 1]) for n in range(1, parts)]
    try:
        work(ends[0], ends[1])
    finally:
        for other in others:
            other.result()
