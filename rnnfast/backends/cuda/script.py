"""What a call starts on the device, once noted, started again for other arrays: in a microsecond for each launch.

The parameters of all launches lie in one piece of memory, in which a run changes the addresses alone, all at once; of a
call whose rows are ragged also what follows from how many steps are live.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda.cluster.live import Live
from rnnfast.backends.cuda.counted import Counted
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.driver.declarations import ffi
from rnnfast.backends.cuda.driver.launch import Launch
from rnnfast.backends.cuda.driver.library import Driver
from rnnfast.backends.cuda.noting import Brought, Cleared, Noting, Started, Within
from rnnfast.problem import Array

LAUNCHES_MOST = 1 << 13
"""Launches that a script has: each keeps half a kilobyte of the host's memory."""
WORD, SHORT = 8, 4
"""Bytes of an address, and of a number that may be counted."""


class Clear(NamedTuple):
    """Bytes to make zero, whose address is one of the `words`."""

    driver: Driver
    words: Array
    at: int
    size: int

    def start(self, stream: int) -> None:
        """Make them zero."""
        self.driver.clear(int(self.words[self.at]), self.size, stream)


class Bring:
    """Tables of ragged rows to bring to an address, which is one of the `words`; others in every run."""

    def __init__(self, driver: Driver, words: Array, at: int) -> None:
        self.driver, self.words, self.at = driver, words, at
        self.tables: Array = np.empty(0, np.int32)

    def start(self, stream: int) -> None:
        """Bring them."""
        self.driver.upload(int(self.words[self.at]), self.tables, stream)


class Script:
    """The launches of a call, for arrays that lie as those of the call that was noted; one runs at a time."""

    def __init__(self, noted: Noting, kept: Any) -> None:
        """`kept`: what holds the arrays that are no call's own."""
        self.kept, self._makes = kept, [*noted.makes]
        rooms = [_words_of(each) for each in noted.started]
        self._words: Array = np.zeros(sum(rooms), np.uint64)
        self._shorts: Array = self._words.view(np.int32)
        self._counted: list[tuple[int, Callable[[int], int]]] = []
        """Parameters that follow from how many steps are live: where they are in `_shorts`, what they are."""
        self._resized: list[tuple[Launch, Callable[[int], int]]] = []
        """The same of numbers of blocks."""
        places: list[tuple[int, int, int]] = []
        self._steps: list[Launch | Clear | Bring] = []
        first = 0
        for each, room in zip(noted.started, rooms, strict=True):
            self._steps.append(self._step(noted, each, first, places))
            first += room
        self._brings = [step for step in self._steps if isinstance(step, Bring)]
        table = np.array(places, np.int64).reshape(-1, 3)
        self._where, self._arrays = (np.ascontiguousarray(table[:, n]) for n in (0, 1))
        self._beyond = table[:, 2].astype(np.uint64)
        self._found = np.empty_like(self._beyond)
        self._addresses: Array = np.zeros(len(noted.arrays), np.uint64)

    def _step(
        self, noted: Noting, each: Started | Cleared | Brought, first: int, places: list[tuple[int, int, int]]
    ) -> Launch | Clear | Bring:
        """Return a launch of the script's own; append where its addresses go, their arrays, how far within these."""
        driver = noted.device.driver
        if isinstance(each, Started):
            launch = self._launch(each, first)
            values: Sequence[Any] = each.values
            offsets: Sequence[int] = each.launch.kernel.offsets
            step: Launch | Clear | Bring = launch
        elif isinstance(each, Cleared):
            values, offsets, step = (each.address,), (0,), Clear(driver, self._words, first, each.size)
        else:
            values, offsets, step = (each.address,), (0,), Bring(driver, self._words, first)
        for value, offset in zip(values, offsets, strict=True):
            if type(value) is Within:
                places.append((first + offset // WORD, value.array, int(value) - noted.arrays[value.array].address))
        return step

    def _launch(self, each: Started, first: int) -> Launch:
        """Return a launch whose parameters lie from a word on, and note what of it is counted."""
        made = each.launch.twin(each.grid, ffi.cast("void *", self._words.ctypes.data + WORD * first))
        made.set(*each.values)
        for value, offset in zip(each.values, each.launch.kernel.offsets, strict=True):
            if type(value) is Counted:
                self._counted.append(((WORD * first + offset) // SHORT, value.of))
        if type(blocks := each.grid[0]) is Counted:
            self._resized.append((made, blocks.of))
        return made

    def run(self, call: DeviceCall, given: Sequence[DeviceArray], live: Live | None) -> list[DeviceArray]:
        """Start all of it for these arrays; return those that it makes, which must live as long as the results."""
        made = [call.word() if each is None else call.empty(*each) for each in self._makes]
        self._addresses[:] = [a.address for a in (*given, *made)]
        self._addresses.take(self._arrays, out=self._found, mode="clip")
        np.add(self._found, self._beyond, out=self._found)
        self._words[self._where] = self._found
        if live is not None:
            self._count(live)
        stream = call.stream
        for step in self._steps:
            step.start(stream)
        return made

    def _count(self, live: Live) -> None:
        """Set what differs between calls that have other rows live."""
        count = int(live.count)
        for place, of in self._counted:
            self._shorts[place] = of(count)
        for launch, of in self._resized:
            launch.resize(of(count))
        for bring in self._brings:
            bring.tables = live.together


def script_of(noted: Noting, kept: Any) -> Script | None:
    """Return the script of a call that was noted; None where it cannot be had."""
    if not noted.is_whole or len(noted.started) > LAUNCHES_MOST or not noted.knows_addresses():
        return None
    return Script(noted, kept)


def _words_of(each: Started | Cleared | Brought) -> int:
    return -(-each.launch.kernel.size // WORD) if isinstance(each, Started) else 1
