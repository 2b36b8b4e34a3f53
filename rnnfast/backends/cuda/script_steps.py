"""The steps of a script beside launches: what it makes zero, what it brings to the device."""

from __future__ import annotations

from typing import NamedTuple

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
    """What is given of ragged rows, to be brought to an address, one of the `words`; others in every run."""

    def __init__(self, driver: Driver, words: Array, at: int) -> None:
        self.driver, self.words, self.at = driver, words, at
        self.source = b""

    def start(self, stream: int) -> None:
        """Bring them."""
        self.driver.upload(int(self.words[self.at]), self.source, stream)


Step = Launch | Clear | Bring
