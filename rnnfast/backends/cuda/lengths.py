"""Rows that end at different steps: their lengths alone travel to the device, which makes tables of them."""

from __future__ import annotations

import copy
import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.common.layers import live_steps, visit
from rnnfast.backends.cuda.counted import Numbers, counted
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.entry_tables import entries_kernel
from rnnfast.problem import Array


class Tables(NamedTuple):
    """Where the tables of one direction begin, in bytes, and the bytes of all; held and repeats: -1 where absent."""

    bounds: int
    rows: int
    previous: int
    last: int
    positions: int
    shown: int
    held: int
    repeats: int
    size: int


ALIGNED = 16
"""Bytes at a multiple of which a table begins."""
ROWS_IN_ORDER = {"everyone": "int32", "alive": "int64"}
"""Tables of every row of the batch, whose states no reset makes zeros, and their types."""


@functools.lru_cache(maxsize=1024)
def tables_for(steps: int, batch: int, groups: int, *, hold: bool) -> Tables:
    """Return where tables of so many groups lie, with those of outputs that are held.

    >>> tables_for(2, 3, 1, hold=False)
    Tables(bounds=0, rows=16, previous=48, last=80, positions=96, shown=144, held=-1, repeats=-1, size=192)
    """
    room, found, end = steps * batch, [], 0
    numbers = (steps * (groups + 1), 4), (room, 4), (room, 4), (batch, 4), *[(room, 8)] * (4 if hold else 2)
    for count, item in numbers:
        found.append(end)
        end += -(-count * item // ALIGNED) * ALIGNED
    return Tables._make([*found, *[-1] * (8 - len(found)), end])


class Lengths:
    """The lengths (B,) of a call's rows, and what the host counts of them."""

    def __init__(self, shape: tuple[int, int], lengths: Array, directions: Sequence[int] = ()) -> None:
        """`shape`: T and B. `directions`, 0 forward and 1 backward: those of whose visits each is counted."""
        self.shape, self.together = shape, lengths.astype(np.int32)
        """What is brought to the device."""
        self.numbers: Numbers = [int(np.add.reduce(lengths))]
        if directions:
            live = _live_rows(shape, lengths)
            for visits in (live[::-1] if direction else live for direction in directions):
                self.numbers += [*(visits.cumsum() - visits).tolist(), *visits.tolist()]
        self._end = -(-self.together.nbytes // ALIGNED) * ALIGNED
        """Where what comes behind the lengths begins."""
        self.count = counted(self.numbers, most=shape[0] * shape[1])

    def bytes_with(self, plans: Sequence[LengthsPlan]) -> int:
        """Return the bytes of the lengths and of all tables of these plans."""
        return self._end + sum(plan.size for plan in plans)

    def bring(self, call: DeviceCall, plans: Sequence[LengthsPlan], to: int) -> None:
        """Bring the lengths to an address, and let the device write the tables of plans behind them."""
        call.bring(to, self.together)
        at = to + self._end
        for plan in plans:
            plan.write(call, to, at)
            at += plan.size

    @functools.cached_property
    def live(self) -> Array:
        """(T, B) bool: which steps are live."""
        return live_steps(*self.shape, self.together, None)


def _live_rows(shape: tuple[int, int], lengths: Array) -> Array:
    """Return how many rows of these lengths are live at each step, (T,)."""
    steps, batch = shape
    live: Array = batch - np.bincount(lengths, minlength=steps + 1).cumsum()[:steps]
    return live


class LengthsPlan:
    """The visits of one direction of rows of these lengths, as `Plan` has them; tables lie in a call's memory."""

    kept = is_all = False

    def __init__(self, lengths: Lengths, direction: int, number: int, groups: int, *, hold: bool) -> None:
        """`number`: among the directions whose visits are counted; `groups` share the rows of a visit."""
        self.lengths, self.holds, self.forward, self.count = lengths, False, direction == 0, lengths.count
        steps, batch = lengths.shape
        self.room, self._groups, self._first = steps * batch, groups, 1 + 2 * number * steps
        self._tables, self._at = tables_for(steps, batch, groups, hold=hold), 0
        self._constants: dict[str, DeviceArray] = {}

    def held(self) -> LengthsPlan:
        """Return the same for outputs that are held."""
        other = copy.copy(self)
        other.holds = True
        return other

    @property
    def size(self) -> int:
        """The bytes that tables take, behind the lengths themselves."""
        return self._tables.size

    def write(self, call: DeviceCall, lengths: int, to: int) -> None:
        """Let the device write the tables to an address, from the lengths at another."""
        self._at, (steps, batch), (*places, _) = to, self.lengths.shape, self._tables
        addresses = [0 if place < 0 else to + place for place in places]
        values = lengths, steps, batch, int(not self.forward), self._groups, *addresses
        call.launch_over(self.room, entries_kernel, (), *values)

    def on(self, call: DeviceCall, name: str) -> int:
        """Return where a table lies on the device."""
        if name in ROWS_IN_ORDER:
            if name not in self._constants:
                rows, dtype = tuple(range(self.lengths.shape[1])), np.dtype(ROWS_IN_ORDER[name])
                self._constants[name] = call.device.constant(rows, dtype)
            return self._constants[name].address
        if name == "shown" and self.holds:
            name = "held"
        return self._at + getattr(self._tables, name)  # type: ignore[no-any-return]

    def loop(self, call: DeviceCall, groups: int) -> tuple[int, ...]:
        """Return the plan as kernels of whole time loops take it."""
        names = "bounds", "rows", "previous", "last"
        bounds, *others = [self.on(call, name) for name in names]
        return (bounds, self.lengths.shape[0], groups, *others, self.count)

    def visits(self) -> list[tuple[int, int, int]]:
        """Return of each visit its number, where its entries begin, and how many there are."""
        numbers, (steps, batch), first = self.lengths.numbers, self.lengths.shape, self._first
        return [(v, counted(numbers, first + v), counted(numbers, first + steps + v, most=batch)) for v in range(steps)]

    @property
    def live(self) -> Array:
        """(T, B) bool, in the order of the visit."""
        return visit(self.lengths.live, int(not self.forward))

    @property
    def positions(self) -> Array:
        """(n,): the position of an entry."""
        found: Array = visit(np.arange(self.room).reshape(self.lengths.shape), int(not self.forward))[self.live]
        return found
