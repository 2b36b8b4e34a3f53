"""What threads share of a CUDA device: it, its plans and the word that kernels set are made once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from emulated_driver import EmulatedLibrary

from rnnfast.backends.cuda import device, devices, plan
from rnnfast.backends.cuda.driver.library import Driver


class Meanwhile:
    """Another thread that does the same once, while the first is in the middle of it."""

    def __init__(self, action: Callable[[], Any]) -> None:
        self.found, self._begun = list[Any](), False
        self.thread = threading.Thread(target=lambda: self.found.append(action()))

    def happens(self) -> None:
        """Start it, and wait until it is done or, as it should, waits for this thread."""
        if not self._begun:
            self._begun = True
            self.thread.start()
            self.thread.join(0.2)


def test_the_device_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    other = Meanwhile(devices.device)

    class Device:
        def __init__(self) -> None:
            other.happens()

    monkeypatch.setattr(device, "Device", Device)
    devices._made.cache_clear()
    try:
        found = devices.device()
        other.thread.join()
        assert type(found) is Device and other.found == [found]
    finally:
        devices._made.cache_clear()


def test_the_word_that_kernels_set_is_made_once() -> None:
    library = EmulatedLibrary(lambda *_: None)
    driver, take = Driver(library), library.cuMemHostAlloc
    other = Meanwhile(lambda: driver.given_up)

    def slowly(*arguments: Any) -> int:
        other.happens()
        return take(*arguments)

    vars(library)["cuMemHostAlloc"] = slowly
    found = driver.given_up
    other.thread.join()
    assert other.found == [found] and len(library.words) == 1


def test_plans_are_looked_at_while_others_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    call: Any = SimpleNamespace(device=SimpleNamespace(plans={}))

    def find(steps: int) -> Any:
        problem: Any = SimpleNamespace(steps=steps, batch=2)
        return plan.plan_for(call, problem, 0)

    other = Meanwhile(lambda: find(99))

    class Slow:
        @property
        def count(self) -> int:
            other.happens()
            return 2

    monkeypatch.setattr(plan, "Plan", lambda *_: Slow())
    find(1)
    assert find(2) is find(2)
    other.thread.join()
    assert find(1) is find(1) and len(other.found) == 1
