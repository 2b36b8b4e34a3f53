"""Threads that share the work of a kernel. Which of them does a part never shows in the numbers."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from queue import SimpleQueue

from rnnfast.backends.threads import MOST, get_num_threads

LEAST = 8_000_000
"""Multiply-adds that are worth another thread: several times what it takes to wake one."""
_pool: list[ThreadPoolExecutor] = []
if hasattr(os, "register_at_fork"):  # a child has none of its parent's threads
    os.register_at_fork(after_in_child=_pool.clear)


def share(work: Callable[[int, int], None], count: int, size: int) -> None:
    """Call work(first, last) for parts of range(count), on several threads where its size in multiply-adds pays.

    All of them have ended when it returns or raises what one of them raised. The caller does what no thread takes, all
    of it where there are none to be had: at the end of the interpreter, or where the system starts no more.
    """
    parts = min(count, size // LEAST)
    parts = min(parts, get_num_threads()) if parts > 1 else 1
    if parts == 1:
        work(0, count)
        return
    if not _pool:
        _pool.append(ThreadPoolExecutor(MOST, "rnnfast"))  # starts threads only as they are needed
    ends = [count * n // parts for n in range(parts + 1)]
    left, ended = [(work, *part) for part in pairwise(ends)], SimpleQueue[BaseException | None]()

    def take() -> None:
        with suppress(IndexError):  # of `pop`, where nothing is left
            while True:
                ended.put(_raised(*left.pop()))

    with suppress(RuntimeError):  # that there are no threads
        for _ in range(parts - 1):
            _pool[0].submit(take)
    take()
    for error in [ended.get() for _ in range(parts)]:
        if error is not None:
            raise error


def _raised(work: Callable[[int, int], None], first: int, last: int) -> BaseException | None:
    """Return what a part raises; None: nothing."""
    try:
        work(first, last)
    except BaseException as error:  # KeyboardInterrupt, too, waits for the other parts
        return error
    return None
