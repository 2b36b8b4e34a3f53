"""What a call starts on the device, once noted, started again for other arrays: in a microsecond for each launch.

The parameters of all launches lie in one piece of memory, in which a run changes the addresses alone, all at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.driver.declarations import ffi
from rnnfast.backends.cuda.driver.launch import Launch
from rnnfast.backends.cuda.driver.library import Driver
from rnnfast.backends.cuda.noting import Noting, Started, Within
from rnnfast.problem import Array

LAUNCHES_MOST = 1 << 13
"""Launches that a script has: each keeps half a kilobyte of the host's memory."""
WORD = 8
"""Bytes of an address."""


class Clear(NamedTuple):
    """Bytes to make zero, whose address is one of the `words`."""

    driver: Driver
    words: Array
    at: int
    size: int

    def start(self, stream: int) -> None:
        """Make them zero."""
        self.driver.clear(int(self.words[self.at]), self.size, stream)


class Script:
    """The launches of a call, for arrays that lie as those of the call that was noted; one runs at a time."""

    def __init__(self, noted: Noting, kept: Any) -> None:
        """`kept`: what holds the arrays that are no call's own."""
        self.kept, self._makes = kept, [*noted.makes]
        rooms = [_words_of(each) for each in noted.started]
        self._words: Array = np.zeros(sum(rooms), np.uint64)
        places: list[tuple[int, int, int]] = []
        self._steps: list[Launch | Clear] = []
        first = 0
        for each, room in zip(noted.started, rooms, strict=True):
            self._steps.append(self._step(noted, each, first, places))
            first += room
        table = np.array(places, np.int64).reshape(-1, 3)
        self._where, self._arrays = (np.ascontiguousarray(table[:, n]) for n in (0, 1))
        self._beyond = table[:, 2].astype(np.uint64)
        self._found = np.empty_like(self._beyond)
        self._addresses: Array = np.zeros(len(noted.arrays), np.uint64)

    def _step(self, noted: Noting, each: Started, first: int, places: list[tuple[int, int, int]]) -> Launch | Clear:
        """Return a launch of the script's own; append where its addresses go, their arrays, how far within these."""
        if each.launch is None:
            offsets: Sequence[int] = (0, 0)
            step: Launch | Clear = Clear(noted.device.driver, self._words, first, each.values[1])
        else:
            offsets = each.launch.kernel.offsets
            step = each.launch.twin(each.grid, ffi.cast("void *", self._words.ctypes.data + WORD * first))
            step.set(*each.values)
        for value, offset in zip(each.values, offsets, strict=True):
            if type(value) is Within:
                places.append((first + offset // WORD, value.array, int(value) - noted.arrays[value.array].address))
        return step

    def run(self, call: DeviceCall, given: Sequence[DeviceArray]) -> list[DeviceArray]:
        """Start all of it for these arrays; return those that it makes, which must live as long as the results."""
        made = [call.word() if each is None else call.empty(*each) for each in self._makes]
        self._addresses[:] = [a.address for a in (*given, *made)]
        self._addresses.take(self._arrays, out=self._found, mode="clip")
        np.add(self._found, self._beyond, out=self._found)
        self._words[self._where] = self._found
        stream = call.stream
        for step in self._steps:
            step.start(stream)
        return made


def script_of(noted: Noting, kept: Any) -> Script | None:
    """Return the script of a call that was noted; None where it cannot be had."""
    if not noted.is_whole or len(noted.started) > LAUNCHES_MOST or not noted.knows_addresses():
        return None
    return Script(noted, kept)


def _words_of(each: Started) -> int:
    return 1 if each.launch is None else -(-each.launch.kernel.size // WORD)
