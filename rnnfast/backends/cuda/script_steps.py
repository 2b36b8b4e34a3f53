"""The steps of a script beside launches: what it makes zero, what it brings to the device."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnnfast.backends.cuda.driver.launch import Launch
from rnnfast.backends.cuda.driver.library import Driver
from rnnfast.problem import Array


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


Step = Launch | Clear | Bring
