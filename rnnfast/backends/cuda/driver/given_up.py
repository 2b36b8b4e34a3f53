"""Words that kernels set where they have waited in vain: in host memory, one for each call or graph, read at once."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from rnnfast.backends.cuda.driver.declarations import ffi

WORDS = 1024
"""A word serves again when so many other calls have begun, which are more than a device lets wait."""
WORD_BYTES = 4
NOTHING = bytes(WORDS * WORD_BYTES)
VAIN = "a CUDA kernel waited in vain for other blocks, so that "
AGAIN = " are wrong: compute them again, and if that does not help, on another device or backend"


class Waiting(NamedTuple):
    """A call whose kernels wait for one another: its number, the address of its word, its stream, its thread."""

    number: int
    address: int
    stream: int
    thread: int


class GivenUp:
    """Words of the host's memory, `words`, that kernels reach from `address` on.

    Waits in kernels are bounded, so that a block that never comes ends a call and not the process; what the kernel
    writes is wrong then. It is known once the kernel is done. Told are: the backward of just this call, whoever waits
    for it, or else the next call of the thread on the stream that it ran on; nobody else.
    """

    def __init__(self, words: Any, address: int) -> None:
        self._words, self._bytes, self.address = words, ffi.buffer(words, len(NOTHING)), address
        self._bytes[:] = NOTHING
        self._waiting: list[Waiting | None] = [None] * WORDS
        self._numbers, self._lock = itertools.count(), threading.Lock()
        self._failed, self._untold = set[int](), list[Waiting]()
        """Numbers of calls that have given up; those of which nobody was told."""

    def begin(self, stream: int) -> Waiting:
        """Return what a new call on this stream is known by."""
        number = next(self._numbers)
        place = number % WORDS
        if self._words[place]:
            self._read()
        found = tuple.__new__(Waiting, (number, self.address + WORD_BYTES * place, stream, threading.get_ident()))
        self._waiting[place] = found
        return found

    def check(self, stream: int) -> None:
        """Raise TimeoutError, once, where a call of this thread on this stream has given up."""
        if self._untold or self._bytes[:] != NOTHING:
            thread = threading.get_ident()
            if self._taken(lambda each: each.stream == stream and each.thread == thread):
                raise TimeoutError(f"{VAIN}results of an earlier call{AGAIN}")

    def check_call(self, call: Waiting) -> None:
        """Raise TimeoutError where this call has given up, as often as it is asked."""
        if self._failed or self._bytes[:] != NOTHING:
            self._taken(lambda each: each.number == call.number)
            if call.number in self._failed:
                raise TimeoutError(f"{VAIN}this call's results{AGAIN}")

    def check_all(self) -> None:
        """Raise TimeoutError, once, where any call has given up."""
        if self._taken(lambda each: True):
            raise TimeoutError(f"{VAIN}results of an earlier call{AGAIN}")

    def _taken(self, concerns: Callable[[Waiting], bool]) -> bool:
        """Return whether there are calls that have given up and of which nobody was told; they count as told now."""
        self._read()
        with self._lock:
            rest = [each for each in self._untold if not concerns(each)]
            found = len(rest) < len(self._untold)
            self._untold = rest
        return found

    def _read(self) -> None:
        """Take down which calls have given up, and make their words zero."""
        with self._lock:
            for place, waiting in enumerate(self._waiting):
                if waiting is not None and self._words[place]:
                    self._words[place] = 0
                    self._failed.add(waiting.number)
                    self._untold.append(waiting)


class Words:
    """Words for graphs, which keep theirs as long as they are there. `more` gives as many new ones as `WORDS`."""

    def __init__(self, more: Callable[[], tuple[Any, int]]) -> None:
        self._more, self._free, self._lock = more, list[tuple[Any, int]](), threading.Lock()

    def take(self) -> tuple[Any, int]:
        """Return a word, zero, and its address on the device."""
        with self._lock:
            if not self._free:
                words, address = self._more()
                self._free += [(words + n, address + WORD_BYTES * n) for n in range(WORDS)]
            found = self._free.pop()
        found[0][0] = 0
        return found

    def give(self, word: tuple[Any, int]) -> None:
        """Give back a word; without the lock, as the collector may, wherever a thread is."""
        self._free.append(word)

    def __len__(self) -> int:
        return len(self._free)
