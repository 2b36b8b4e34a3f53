"""Which rows are live when, as the kernels read it: entries, the live rows of all visits one after another.

Here all rows are live at every step; ragged.py has the plans of others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.common.layers import visit
from rnnfast.backends.cuda.cells import FROM_START
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.problem import Array, Problem

ALIGNED = 16
"""Bytes at a multiple of which every array lies that is brought with others."""
POSITIONS_KEPT = 1 << 20
"""Positions (t, b) of the plans that a device keeps: at most 32 bytes each, on the device."""


@dataclass(frozen=True)
class Plan:
    """The visits of one direction. A position is t B + b: where row b of step t stands in a (T B, ·) array.

    Its tables, each a property here, are brought to the device when they are first asked for, and stay there.
    """

    steps: int
    batch: int
    forward: bool
    """Whether positions are visited in their order."""
    kept = True
    """Whether all rows are live at all times, so that it serves calls on any stream."""
    holds = False
    """Whether positions that are not live show the last output: there are none."""
    _on_device: dict[Any, int] = field(default_factory=dict, repr=False)
    """Addresses by name."""
    _pieces: list[DeviceArray] = field(default_factory=list, repr=False)
    """What they lie in."""
    _loops: dict[int, tuple[int, ...]] = field(default_factory=dict, repr=False)
    """What `loop` has found, by the number of groups."""

    @property
    def count(self) -> int:
        """The number of entries."""
        return self.steps * self.batch

    @property
    def room(self) -> int:
        """The room that there is for them."""
        return self.count

    @property
    def is_all(self) -> bool:
        """Whether entries are the positions in their order."""
        return self.forward

    @property
    def rows(self) -> Array:
        """(n,): the row of the batch that an entry is of."""
        return np.tile(np.arange(self.batch, dtype=np.int32), self.steps)

    @property
    def previous(self) -> Array:
        """(n,): the entry before it of that row, FROM_START or, where a reset cuts between them, FROM_ZEROS."""
        return _before(np.arange(self.count, dtype=np.int32) - np.int32(self.batch))

    @property
    def last(self) -> Array:
        """(B,): the same after all steps."""
        return _before(np.arange(self.batch, dtype=np.int32) + np.int32(self.count - self.batch))

    @property
    def positions(self) -> Array:
        """(n,): the position of an entry."""
        numbers = np.arange(self.count).reshape(self.steps, self.batch)
        return np.ascontiguousarray(visit(numbers, int(not self.forward))).reshape(-1)

    @property
    def shown(self) -> Array:
        """(T B,): the entry whose output a position shows, -1: none. Unless output is held, its own."""
        return self.positions  # the way there is the way back

    @property
    def alive(self) -> Array:
        """(B,): every row, but -1 for one whose state had become zeros in the end."""
        return np.arange(self.batch)

    def bounds(self, groups: int) -> Array:
        """Return (T, groups + 1): where each group's entries of a visit begin, rows dealt evenly, and their end."""
        first, cuts = np.arange(self.steps)[:, None] * self.batch, np.arange(groups + 1) * self.batch // groups
        return (first + cuts).astype(np.int32)

    def on(self, call: DeviceCall, name: Any) -> int:
        """Return where one of its tables lies on the device, or for a number of groups their bounds.

        It is brought there once, the tables that time loops need all together.
        """
        found = self._on_device.get(name)
        if found is None:
            together = (name, "rows", "previous", "last") if isinstance(name, int) else (name,)
            self._bring(call, tuple([each for each in together if each not in self._on_device]))
            found = self._on_device[name]
        return found

    def loop(self, call: DeviceCall, groups: int) -> tuple[int, ...]:
        """Return the plan as kernels of whole time loops take it: bounds, their shape, rows, entries before them."""
        found = self._loops.get(groups)
        if found is None:
            where = self.on(call, groups), self.steps, groups
            found = (*where, *[self.on(call, name) for name in ("rows", "previous", "last")], self.count)
            self._loops[groups] = found
        return found

    def visits(self) -> list[tuple[int, int, int]]:
        """Return of each visit its number, where its entries begin, and how many there are."""
        return [(v, v * self.batch, self.batch) for v in range(self.steps)]

    def _bring(self, call: DeviceCall, names: tuple[Any, ...]) -> None:
        """Bring tables to the device in one piece."""
        pieces, places, at = [], {}, 0
        for name in names:
            table: Array = self.bounds(name) if isinstance(name, int) else getattr(self, name)
            room = -(-table.nbytes // ALIGNED) * ALIGNED
            pieces += [table.reshape(-1).view(np.int8), np.zeros(room - table.nbytes, np.int8)]
            places[name], at = at, at + room
        # Not a call's own array: a call that is noted meanwhile can be started again without bringing it.
        brought = call.device.upload(np.concatenate([*pieces, np.zeros(ALIGNED, np.int8)]), call.stream)
        call.wait()  # other calls may use them, on any stream
        self._pieces.append(brought)
        self._on_device.update({name: brought.address + place for name, place in places.items()})


def _before(entries: Array) -> Array:
    return np.where(entries < 0, np.int32(FROM_START), entries)


def plan_for(call: DeviceCall, problem: Problem, direction: int) -> Plan:
    """Return the plan of one direction of a net, made once for every T and B.

    The device's dict is replaced, never changed, as other threads may look at it: of two that make a plan at once one
    may be forgotten.
    """
    plans, key = call.device.plans, (problem.steps, problem.batch, direction)
    known: Plan | None = plans.get(key)
    if known is not None:
        return known
    if sum(plan.count for plan in plans.values()) + problem.steps * problem.batch > POSITIONS_KEPT:
        plans = {}
    made = Plan(problem.steps, problem.batch, direction == 0)
    call.device.plans = {**plans, key: made}
    return made
