"""The context on which a driver works, made the current one of a thread."""

from __future__ import annotations

from rnnfast.backends.cuda.driver.library import Driver


class Current:
    """A `with` in which a driver's context is the current one of this thread."""

    __slots__ = ("driver", "entered")

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    def __enter__(self) -> None:
        self.entered = not self.driver.is_current()
        if self.entered:
            self.driver.enter()

    def __exit__(self, *_: object) -> None:
        if self.entered:
            self.driver.leave()
