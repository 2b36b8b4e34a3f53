"""Ctrl-C while a net learns: the first one waits until the batch under way is done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_on_interrupt(*, always: bool = False) -> Iterator[threading.Event]:
    """Have the first Ctrl-C set the event that is given, and a second raise KeyboardInterrupt as ever.

    Outside the main thread it changes nothing, nor, unless `always`, where the program ignores Ctrl-C or handles it in
    a way of its own.
    """
    stop = threading.Event()
    previous = signal.getsignal(signal.SIGINT)
    usual = always or previous is signal.default_int_handler
    if not usual or threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def first(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop.set()

    signal.signal(signal.SIGINT, first)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, previous)
