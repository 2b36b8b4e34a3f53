"""The steps of a script: launches, what it makes zero, what it brings to the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnnfast.backends.cuda.driver.launch import Launch
from rnnfast.backends.cuda.driver.library import Driver
from rnnfast.problem import Array

MANY = 8
"""Launches from which on compiled code starts them sooner than Python, which takes half a microsecond for each."""


class Launches:
    """Launches one after another, without those of no blocks."""

    def __init__(self, launches: Sequence[Launch], configs: Array) -> None:
        """`configs`: what their descriptions lie in, a row for each."""
        self.launches, self._some, self._configs = launches, launches, configs
        self._are_many = len(launches) >= MANY
        self._blocks: Array = configs.view(np.int32)[:, 0]
        self._table: Array = np.array([launch.addresses for launch in launches], np.uint64)

    def see_blocks(self) -> None:
        """See which launches have any blocks, as Python needs to know; compiled code looks at each."""
        self._some = self.launches
        if not (self._are_many or self._blocks.all()):
            self._some = [launch for launch in self.launches if launch.grid[0]]

    def start(self, stream: int) -> None:
        """Start them. Raises DriverError where the driver refuses one."""
        if not self._are_many:
            for launch in self._some:
                launch.start(stream)
            return
        from rnnfast.backends.cuda.driver.together import start_all

        place, code = start_all(self.launches[0].kernel.driver.launcher, self._table, self._configs, stream)
        if code:
            raise self.launches[place].error(code)


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
    """What is given of ragged rows, to be brought to an address, one of the `words`; others in every run."""

    def __init__(self, driver: Driver, words: Array, at: int) -> None:
        self.driver, self.words, self.at = driver, words, at
        self.source = b""

    def start(self, stream: int) -> None:
        """Bring them."""
        self.driver.upload(int(self.words[self.at]), self.source, stream)


Step = Launches | Clear | Bring
