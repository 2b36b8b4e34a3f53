"""A call captured for fixed arrays: its launches as one graph, its memory, the word that its kernels set."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda.device import Device
from rnnfast.backends.cuda.device_call import WORD, DeviceCall
from rnnfast.backends.cuda.driver.declarations import ffi
from rnnfast.backends.cuda.driver.errors import DriverError
from rnnfast.backends.cuda.driver.given_up import AGAIN, VAIN
from rnnfast.backends.cuda.driver.graph import Graph
from rnnfast.backends.cuda.script import Script


class Replay:
    """A call's launches for these arrays, to be started again and again, by one thread at a time.

    `call`: the one that captures, whose stream its memory belongs to. `given`: the arrays of the call, kept alive.
    """

    def __init__(self, call: DeviceCall, script: Script, given: Sequence[DeviceArray]) -> None:
        """Raises DriverError where the driver refuses."""
        driver = call.device.driver
        self._device, self._library, self._own = call.device, call.library, call.stream
        self._turn, self._streams = threading.Lock(), set[int]()
        """Streams that it was started on, other than the one that its memory belongs to."""
        self._word, address = word = driver.words.take()
        made = script.make(call, lambda: DeviceArray(address, (), (), WORD, None))
        addresses = [a.address for a in given]
        try:
            graph = self._graph = Graph(driver, lambda stream: script.start(addresses, made, stream))
        except BaseException:
            driver.words.give(word)
            raise
        held = script.kept, given, made
        weakref.finalize(self, _give_back, call.device, graph, word, held, self._streams).atexit = False

    def __call__(self) -> None:
        """Start them on the caller's stream of now.

        Raises TimeoutError where a kernel of an earlier replay, which is done, has waited in vain.
        """
        with self._device.current(), self._turn:
            if self._word[0]:
                self._word[0] = 0
                raise TimeoutError(f"{VAIN}results of an earlier replay{AGAIN}")
            stream = self._library.stream()  # type: ignore[union-attr]
            if stream != self._own:
                self._streams.add(stream)
            self._graph.launch(stream)


def _give_back(device: Device, graph: Graph, word: tuple[Any, int], held: Any, streams: set[int]) -> None:
    """Give back a graph, its word and then the memory `held`, which others on its own stream may be given at once."""
    with suppress(DriverError), device.current():
        for stream in streams:
            device.driver.library.cuStreamSynchronize(ffi.cast("void *", stream))  # if it is still there
        graph.destroy()
    device.driver.words.give(word)
