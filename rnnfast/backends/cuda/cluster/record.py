"""What a call by clusters leaves for backward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.common.weights import Weights
from rnnfast.backends.cuda.cluster.frames import Frames
from rnnfast.backends.cuda.cluster.live import Live
from rnnfast.backends.cuda.cluster.places import LayerPlaces
from rnnfast.backends.cuda.cluster.sizes import Sizes
from rnnfast.problem import Problem


class Layer(NamedTuple):
    """What a layer leaves."""

    x: DeviceArray
    """Its input (T, B, I), under dropout."""
    is_own: bool
    """Whether that is in the call's memory, not the caller's."""
    places: LayerPlaces
    weights: Sequence[Weights]
    """Of each direction."""
    mask: int
    """The address of factors of recurrent dropout; 0: there are none."""


@dataclass(eq=False)
class Record:
    """A call's memory and its layers, which backward reads and never changes."""

    problem: Problem
    sizes: Sizes
    memory: DeviceArray
    layers: list[Layer]
    live: Live | None
    tables: dict[str, int]
    """Addresses of the tables of rows that differ, by name; nothing where all are live."""
    frames: Frames

    @property
    def count(self) -> int:
        """The number of live steps of all rows; T B where all are live, counted where not."""
        return self.sizes.rows if self.live is None else self.live.count

    def at(self, place: int | None) -> int:
        """Return the address of a place; 0 for None."""
        return 0 if place is None else self.memory.address + 4 * place
