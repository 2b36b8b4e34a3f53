"""What a call starts on the device, once noted, started again for other arrays: by one call of compiled code.

The parameters of all launches lie in one piece of memory, in which a run changes the addresses alone, all at once; of a
call whose rows are ragged also what follows from which steps are live.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.contract import ForwardArrays
from rnnfast.backends.cuda.counted import Counted, LiveRows, Numbers
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.driver.declarations import ffi
from rnnfast.backends.cuda.driver.errors import DriverError
from rnnfast.backends.cuda.driver.launch import CONFIG_BYTES, Launch
from rnnfast.backends.cuda.noting import Brought, Cleared, Noting, Started, Within
from rnnfast.backends.cuda.script_counts import Counts
from rnnfast.problem import Array

LAUNCHES_MOST = 1 << 13
"""Launches that a script has: each keeps half a kilobyte of the host's memory."""
WORD, SHORT = 8, 4
"""Bytes of an address, and of a number of blocks."""
LOW = (1 << 32) - 1
POINTER = ffi.typeof("intptr_t")


class Script:
    """The launches of a call, for arrays that lie as those of the call that was noted; one runs at a time.

    `template`: the arrays of a forward call, each with its number for its address; None of a backward.
    """

    def __init__(self, noted: Noting, kept: Any, live: LiveRows | None, template: ForwardArrays | None = None) -> None:
        """`kept`: what holds the arrays that are no call's own. `live`: the rows of that call, where some are not."""
        from rnnfast.backends.cuda.driver import together  # which takes a while

        self.kept, self.template, self._driver = kept, template, noted.device.driver
        self._makes = [None if each is None else (each[0], np.dtype(each[1])) for each in noted.makes]
        rooms = [_words_of(each) for each in noted.started]
        self._words: Array = np.zeros(sum(rooms), np.uint64)
        self._configs: Array = np.zeros((len(noted.started), CONFIG_BYTES // WORD), np.uint64)
        self._counts = Counts()
        self._set_for: Numbers = ()
        """The counts that everything is set for: none where that was interrupted."""
        self.launches: list[Launch | None] = []
        """Those of all steps; None: a step is none."""
        places: list[tuple[int, int, int]] = []
        self._steps: Array = np.zeros((len(noted.started), together.STEP), np.int64)
        first = 0
        for number, (each, room) in enumerate(zip(noted.started, rooms, strict=True)):
            self._steps[number] = self._step(noted, each, number, first, places)
            first += room
        self._places: Array = np.array(places, np.int64).reshape(-1, together.PLACE)
        if live is not None:
            beyond = self._places[:, 2].view(np.uint64)
            self._counts.finish(self._words, beyond, self._configs, live.numbers)
        self._numbers = ffi.cast("int64_t *", self._steps.ctypes.data)
        brings = np.flatnonzero(self._steps[:, 0] == together.BRING)
        self._brings: list[int] = [together.STEP * n + 2 for n in brings.tolist()]
        """Where in the numbers of all steps is told what is brought."""
        tables = (number for table in (self._places, self._steps) for number in (table.ctypes.data, len(table)))
        self._head: Array = np.array([*self._driver.functions, *tables], np.int64)
        self._addresses = ffi.new("int64_t[]", len(noted.arrays))
        self._pack = struct.Struct(f"{len(noted.arrays)}Q").pack_into
        self._buffer = ffi.buffer(self._addresses)
        self._given = self._head.ctypes.data, int(ffi.cast(POINTER, self._addresses))
        self._run = together.run_script

    def _step(
        self, noted: Noting, each: Started | Cleared | Brought, number: int, first: int,
        places: list[tuple[int, int, int]],
    ) -> list[int]:  # fmt: skip
        """Return a step as compiled code takes it; append where its addresses go, their arrays, how far within."""
        from rnnfast.backends.cuda.driver.together import BRING, CLEAR, LAUNCH

        values: Sequence[Any] = each.values if isinstance(each, Started) else (each.address,)
        offsets: Sequence[int] = each.launch.kernel.offsets if isinstance(each, Started) else (0,)
        at, launch = self._words.ctypes.data + WORD * first, None
        if isinstance(each, Started):
            launch = self._launch(each, number, first)
            step = [LAUNCH, *launch.addresses]
        else:
            self._words[first] = each.address
            step = [CLEAR, at, each.size, 0] if isinstance(each, Cleared) else [BRING, at, 0, 0]
        self.launches.append(launch)
        for value, offset in zip(values, offsets, strict=True):
            if type(value) is Within:
                beyond = int(value) - noted.arrays[value.array].address
                if value.moved is not None:
                    self._counts.add_distance(value.moved, len(places), beyond - value.moved)
                places.append((at + offset, value.array, beyond))
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

    def run(self, call: DeviceCall, given: Sequence[int], live: LiveRows | None) -> list[DeviceArray]:
        """Start all of it for arrays at these addresses; return those that it makes, to live as long as the results.

        Raises DriverError where the driver refuses a step.
        """
        if live is not None:
            if live.numbers != self._set_for:
                self._set_for = ()
                self._counts.set(live.numbers)
                self._set_for = live.numbers
            source = ffi.from_buffer(live.together)  # alive until the driver has taken a copy
            for place in self._brings:
                self._numbers[place], self._numbers[place + 1] = int(ffi.cast(POINTER, source)), len(source)
        made = self.make(call, call.word)
        self.start(given, made, call.stream)
        return made

    def make(self, call: DeviceCall, word: Callable[[], DeviceArray]) -> list[DeviceArray]:
        """Return new ones of the arrays that the call makes."""
        new = call.library.new  # type: ignore[union-attr]
        return [word() if each is None else new(*each) for each in self._makes]

    def start(self, given: Sequence[int], made: Sequence[DeviceArray], stream: int) -> None:
        """Start all of it on a stream. Raises DriverError where the driver refuses a step."""
        self._pack(self._buffer, 0, *given, *[a.address for a in made])
        self._start(stream)

    def _start(self, stream: int) -> None:
        failed = self._run(*self._given, stream)
        if failed:
            raise self._error(failed >> 32, failed & LOW)

    def _error(self, number: int, code: int) -> DriverError:
        """Return the exception for a step that the driver refused."""
        launch = self.launches[number]
        if launch is not None:
            return launch.error(code)
        *_, size, brought = self._steps[number].tolist()  # of what is made zero nothing is brought
        return self._driver.error(f"write {brought} bytes" if brought else f"clear {size} bytes", code)


def script_of(noted: Noting, kept: Any, live: LiveRows | None, template: ForwardArrays | None = None) -> Script | None:
    """Return the script of a call that was noted; None where it cannot be had."""
    if not noted.is_whole or len(noted.started) > LAUNCHES_MOST or not noted.knows_addresses():
        return None
    return Script(noted, kept, live, template)


def _words_of(each: Started | Cleared | Brought) -> int:
    return -(-each.launch.kernel.size // WORD) if isinstance(each, Started) else 1
