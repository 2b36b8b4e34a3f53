"""What a call starts on the device, once noted, started again for other arrays: in a microsecond for each launch.

The parameters of all launches lie in one piece of memory, in which a run changes the addresses alone, all at once; of a
call whose rows are ragged also what follows from which steps are live.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda.counted import Counted, LiveRows, Numbers
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.driver.declarations import ffi
from rnnfast.backends.cuda.driver.launch import CONFIG_BYTES, Launch
from rnnfast.backends.cuda.noting import Brought, Cleared, Noting, Started, Within
from rnnfast.backends.cuda.script_counts import Counts
from rnnfast.backends.cuda.script_steps import Bring, Clear, Launches, Step
from rnnfast.problem import Array

LAUNCHES_MOST = 1 << 13
"""Launches that a script has: each keeps half a kilobyte of the host's memory."""
WORD, SHORT = 8, 4
"""Bytes of an address, and of a number of blocks."""


class Script:
    """The launches of a call, for arrays that lie as those of the call that was noted; one runs at a time."""

    def __init__(self, noted: Noting, kept: Any, live: LiveRows | None) -> None:
        """`kept`: what holds the arrays that are no call's own. `live`: the rows of that call, where some are not."""
        self.kept, self._makes = kept, [*noted.makes]
        rooms = [_words_of(each) for each in noted.started]
        self._words: Array = np.zeros(sum(rooms), np.uint64)
        self._configs: Array = np.zeros((len(noted.started), CONFIG_BYTES // WORD), np.uint64)
        self._counts = Counts()
        self._set_for: Numbers = ()
        """The counts that everything is set for: none where that was interrupted."""
        places: list[tuple[int, int, int]] = []
        steps: list[Launch | Clear | Bring] = []
        first = 0
        for number, (each, room) in enumerate(zip(noted.started, rooms, strict=True)):
            steps.append(self._step(noted, each, number, first, places))
            first += room
        self._steps = [*self._together(steps)]
        self._launches = [step for step in self._steps if isinstance(step, Launches)]
        self._brings = [step for step in self._steps if isinstance(step, Bring)]
        table = np.array(places, np.int64).reshape(-1, 3)
        self._where, self._arrays = (np.ascontiguousarray(table[:, n]) for n in (0, 1))
        self._beyond = table[:, 2].astype(np.uint64)
        if live is not None:
            self._counts.finish(self._words, self._beyond, self._configs, live.numbers)
        self._found = np.empty_like(self._beyond)
        self._addresses: Array = np.zeros(len(noted.arrays), np.uint64)

    def _step(
        self, noted: Noting, each: Started | Cleared | Brought, number: int, first: int,
        places: list[tuple[int, int, int]],
    ) -> Launch | Clear | Bring:  # fmt: skip
        """Return a launch of the script's own; append where its addresses go, their arrays, how far within these."""
        driver = noted.device.driver
        if isinstance(each, Started):
            values: Sequence[Any] = each.values
            offsets: Sequence[int] = each.launch.kernel.offsets
            step: Launch | Clear | Bring = self._launch(each, number, first)
        elif isinstance(each, Cleared):
            values, offsets, step = (each.address,), (0,), Clear(driver, self._words, first, each.size)
        else:
            values, offsets, step = (each.address,), (0,), Bring(driver, self._words, first)
        for value, offset in zip(values, offsets, strict=True):
            if type(value) is Within:
                beyond = int(value) - noted.arrays[value.array].address
                if value.moved is not None:
                    self._counts.add_distance(value.moved, len(places), beyond - value.moved)
                places.append((first + offset // WORD, value.array, beyond))
        return step

    def _launch(self, each: Started, number: int, first: int) -> Launch:
        """Return a launch whose parameters lie from a word on, and note what of it is counted."""
        at = self._words.ctypes.data + WORD * first, self._configs[number].ctypes.data
        made = each.launch.twin(each.grid, *[ffi.cast("void *", address) for address in at])
        made.set(*each.values)
        kernel = each.launch.kernel
        for value, offset, field in zip(each.values, kernel.offsets, kernel.fields, strict=True):
            if type(value) is Counted:
                self._counts.add_parameter(value, WORD * first + offset, field.code)
        for axis, size in enumerate(each.grid):
            if type(size) is Counted:
                self._counts.add_blocks(size, number * CONFIG_BYTES // SHORT + axis)
        return made

    def run(self, call: DeviceCall, given: Sequence[DeviceArray], live: LiveRows | None) -> list[DeviceArray]:
        """Start all of it for these arrays; return those that it makes, which must live as long as the results."""
        if live is not None:
            if live.numbers != self._set_for:
                self._set_for = ()
                self._counts.set(live.numbers)
                for launches in self._launches:
                    launches.see_blocks()
                self._set_for = live.numbers
            for bring in self._brings:
                bring.source = live.together
        made = [call.word() if each is None else call.empty(*each) for each in self._makes]
        self._addresses[:] = [a.address for a in (*given, *made)]
        self._addresses.take(self._arrays, out=self._found, mode="clip")
        np.add(self._found, self._beyond, out=self._found)
        self._words[self._where] = self._found
        stream = call.stream
        for step in self._steps:
            step.start(stream)
        return made

    def _together(self, steps: Sequence[Launch | Clear | Bring]) -> Iterator[Step]:
        """Yield the steps, launches that follow one another as one."""
        first = 0
        for is_launch, group in groupby(steps, lambda step: isinstance(step, Launch)):
            found: list[Any] = [*group]
            if is_launch:
                yield Launches(found, self._configs[first : first + len(found)])
            else:
                yield from found
            first += len(found)


def script_of(noted: Noting, kept: Any, live: LiveRows | None) -> Script | None:
    """Return the script of a call that was noted; None where it cannot be had."""
    if not noted.is_whole or len(noted.started) > LAUNCHES_MOST or not noted.knows_addresses():
        return None
    return Script(noted, kept, live)


def _words_of(each: Started | Cleared | Brought) -> int:
    return -(-each.launch.kernel.size // WORD) if isinstance(each, Started) else 1
