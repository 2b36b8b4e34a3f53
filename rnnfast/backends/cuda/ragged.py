"""Rows that are not all live, on every tier but clusters': the plans of their visits, whose tables the device makes."""

from __future__ import annotations

import copy
import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnnfast.backends.common.layers import visit
from rnnfast.backends.cuda.counted import counted
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.entry_tables import entries_kernel, links_kernel
from rnnfast.backends.cuda.given_rows import GivenRows
from rnnfast.backends.cuda.step_flags import visits_of_block
from rnnfast.problem import Array


class Table(NamedTuple):
    """Where a table of all directions begins, in bytes, and the bytes of one direction."""

    begin: int
    each: int


ALIGNED = 16
"""Bytes at a multiple of which tables of all directions begin."""


@functools.lru_cache(maxsize=1024)
def tables_for(steps: int, batch: int, groups: int, directions: int, *, hold: bool) -> tuple[dict[str, Table], int]:
    """Return the tables of so many groups by name, with those of outputs that are held, and the bytes of all.

    >>> found, size = tables_for(2, 3, 1, 1, hold=False)
    >>> [*found], found["rows"], size
    (['bounds', 'rows', 'positions', 'shown', 'previous', 'last', 'alive'], Table(begin=16, each=24), 224)
    """
    room, found, end = steps * batch, dict[str, Table](), 0
    sizes = {"bounds": 4 * steps * (groups + 1), "rows": 4 * room, "positions": 8 * room, "shown": 8 * room}
    sizes |= {"previous": 4 * room, "last": 4 * batch, "alive": 8 * batch}
    if hold:
        sizes |= {"held": 8 * room, "repeats": 8 * room}
    for name, each in sizes.items():
        found[name] = Table(end, each)
        end += -(-directions * each // ALIGNED) * ALIGNED
    return found, end


class Ragged(GivenRows):
    """The rows of a call, and where the tables of all directions' plans lie, behind what is brought."""

    def __init__(
        self, shape: tuple[int, int], directions: Sequence[int], lengths: Array | None, mask: Array | None,
        resets: Array | None, *, groups: int = 1, hold: bool = False, by_step: bool = False,
    ) -> None:  # fmt: skip
        """`directions`: of each, 0 forward and 1 backward. `groups` share the rows of a visit.

        `hold`: outputs may be held. `by_step`: launches follow from how many rows are live at each step.
        """
        super().__init__(shape, lengths, mask, resets)
        self.directions, self.groups, self._holds = directions, groups, hold
        if by_step:
            live = self.count_live_rows()
            for visits in (live[::-1] if direction else live for direction in directions):
                self.numbers = [*self.numbers, *(visits.cumsum() - visits).tolist(), *visits.tolist()]
        self._first, self._tables_at = -(-len(self.together) // ALIGNED) * ALIGNED, 0

    @property
    def _tables(self) -> tuple[dict[str, Table], int]:
        return tables_for(*self.shape, self.groups, len(self.directions), hold=self._holds)

    @property
    def size(self) -> int:
        """The bytes of all."""
        return self._first + self._tables[1]

    def bring(self, call: DeviceCall, to: int) -> None:
        """Bring what was given to an address, and let the device write the tables behind it."""
        call.bring(to, self.together)
        self._tables_at = to + self._first
        given, (steps, batch), count = self.at(to), self.shape, len(self.directions)
        common = steps, batch, self.directions[0], count
        entries = [self.address(name) for name in ("bounds", "rows", "positions", "shown")]
        launch, each = call.prepared(entries_kernel, ()), visits_of_block(steps)
        grid = count * -(-steps // each), 1
        call.run_on(launch, grid, given.lengths, given.mask, *common, self.groups, each, *entries)
        links = [self.address(name) for name in ("shown", "previous", "last", "alive", "held", "repeats")]
        threads = count * (steps + 1) * batch
        call.launch_over(threads, links_kernel, (), given.lengths, given.mask, given.resets, *common, *links)

    def address(self, name: str, number: int = 0) -> int:
        """Return where the table of a direction lies on the device; 0: there is none."""
        table = self._tables[0].get(name)
        return 0 if table is None else self._tables_at + table.begin + number * table.each


class RaggedPlan:
    """The visits of one direction of such rows, as `Plan` has them; tables lie in a call's memory."""

    kept = is_all = False

    def __init__(self, rows: Ragged, number: int) -> None:
        """`number`: which of the directions of these rows it is."""
        self.given, self.number, self.holds = rows, number, False
        self.forward, self.count = rows.directions[number] == 0, rows.count
        self.room = rows.shape[0] * rows.shape[1]
        """The room that there is for entries."""

    def held(self) -> RaggedPlan:
        """Return the same for outputs that are held."""
        other = copy.copy(self)
        other.holds = True
        return other

    def on(self, call: DeviceCall, name: str) -> int:
        """Return where a table lies on the device."""
        return self.given.address("held" if name == "shown" and self.holds else name, self.number)

    def loop(self, call: DeviceCall, groups: int) -> tuple[int, ...]:
        """Return the plan as kernels of whole time loops take it."""
        names = "bounds", "rows", "previous", "last"
        bounds, *others = [self.on(call, name) for name in names]
        return (bounds, self.given.shape[0], groups, *others, self.count)

    def visits(self) -> list[tuple[int, int, int]]:
        """Return of each visit its number, where its entries begin, and how many there are."""
        numbers, (steps, batch) = self.given.numbers, self.given.shape
        first = 1 + 2 * self.number * steps
        return [(v, counted(numbers, first + v), counted(numbers, first + steps + v, most=batch)) for v in range(steps)]

    @property
    def positions(self) -> Array:
        """(n,): the position of an entry."""
        direction, live = int(not self.forward), self.given.live
        found: Array = visit(np.arange(self.room).reshape(live.shape), direction)[visit(live, direction)]
        return found
