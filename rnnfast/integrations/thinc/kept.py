"""Packed weights of parameters that stay what they are from call to call: which have been seen before, to the bit."""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple

import numpy as np

from rnnfast.backends import choose
from rnnfast.backends.c.memory import address_of
from rnnfast.calls.prepared import Engine
from rnnfast.integrations.thinc.weights import Placement
from rnnfast.net.description import Net
from rnnfast.net.parameters import Parameters
from rnnfast.problem import Array

SAMPLE = 64
"""About as many numbers tell that all parameters have changed."""
PLACES_KEPT = 64
"""Addresses of which a net remembers what lay there."""


class Seen(NamedTuple):
    """Record of the parameters that lay at an address at the last call."""

    sample: bytes
    """A few of the numbers, which training changes: only where these come again more is done."""
    bits: bytearray | None
    """All of them, from the second call on."""
    engine: Engine | None
    """Calls with packed weights, from the third."""
    owner: weakref.ref[Any]
    """Whose memory it is: what is kept of it goes with it."""


class Kept:
    """Calls of one net with packed weights, for parameters that come again. Any number of threads may use it at a time.

    Nobody says when parameters change, so each call compares all of their bits with a copy, which takes less than half
    the time of arranging and packing them. They are packed when they come a third time unchanged, so in training never.

    >>> net = Net("LSTM", "lstm", 3, 1)
    >>> kept, params = Kept(net, Placement(net), choose.select("c")), np.zeros(24, np.float32)
    >>> [kept.packed(params) is not None for _ in range(4)]
    [False, False, True, True]
    >>> params[5] = 1
    >>> kept.packed(params) is not None
    False
    """

    def __init__(self, net: Net, placement: Placement, choice: choose.Choice) -> None:
        self.net, self.placement, self.choice = net, placement, choice
        self._seen: dict[int, Seen] = {}
        self._stride = max(1, placement.size // SAMPLE)

    def packed(self, params: Array) -> Engine | None:
        """Return what runs calls with thinc's params (n,), None where they are new or have changed."""
        if not params.flags.c_contiguous:
            return None
        address = address_of(params)
        seen = self._seen.get(address)
        if seen is not None and seen.bits is not None and seen.bits == params:  # memory, not numbers: NaN is itself
            return seen.engine or self._remember(address, params, seen.sample, seen.bits, self._engine(params))
        sample = params[:: self._stride].tobytes()
        again = seen is not None and seen.sample == sample
        return self._remember(address, params, sample, bytearray(params) if again else None, None)

    def _engine(self, params: Array) -> Engine:
        arrays = self.placement.parts(self.placement.exchanged(params))
        parameters = Parameters(dict(zip(self.net.shapes, arrays, strict=True)), self.net)
        return Engine(self.net, parameters, self.choice, frozen=True)

    def _remember(
        self, address: int, params: Array, sample: bytes, bits: bytearray | None, engine: Engine | None
    ) -> Engine | None:
        owner = params.base if isinstance(params.base, np.ndarray) else params
        if len(self._seen) >= PLACES_KEPT:
            self._seen.clear()
        seen = self._seen

        def forget(_: object) -> None:
            seen.pop(address, None)

        seen[address] = Seen(sample, bits, engine, weakref.ref(owner, forget))
        return engine
