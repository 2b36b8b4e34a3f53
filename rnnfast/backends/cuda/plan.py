"""Which rows are live when, as the kernels read it: entries, the live rows of all visits one after another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.common.layers import timetable, visit
from rnnfast.backends.cuda.cells import FROM_START, FROM_ZEROS
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.problem import Array, Problem

ALIGNED = 16
"""Bytes at a multiple of which every array lies that is brought with others."""
POSITIONS_KEPT = 1 << 20
"""Positions (t, b) of the plans that a device keeps, those of calls without lengths, mask and resets: 33 bytes each,
here and there."""


@dataclass(frozen=True)
class Plan:
    """The visits of one direction. A position is t B + b: where row b of step t stands in a (T B, ·) array."""

    live: Array
    """(T, B), in the order of the visit."""
    rows: Array
    """(n,): the row of the batch that an entry is of."""
    previous: Array
    """(n,): the entry before it of that row, FROM_START or FROM_ZEROS."""
    last: Array
    """(B,): the same after all steps."""
    positions: Array
    """(n,): the position of an entry."""
    shown: Array
    """(T B,): the entry whose output a position shows, -1: none. Unless output is held, its own."""
    repeats: Array
    """(n,): how many positions in a row show an entry."""
    kept: bool = False
    """Whether all rows are live at all times, so that it serves calls on any stream."""
    holds: bool = False
    """Whether positions that are not live show the last output."""
    forward: bool = True
    """Whether positions are visited in their order."""
    _on_device: dict[Any, int] = field(default_factory=dict, repr=False)
    """Addresses by name."""
    _pieces: list[DeviceArray] = field(default_factory=list, repr=False)
    """What they lie in."""
    _loops: dict[int, tuple[int, ...]] = field(default_factory=dict, repr=False)
    """What `loop` has found, by the number of groups."""

    @property
    def count(self) -> int:
        """The number of entries."""
        return len(self.rows)

    @property
    def room(self) -> int:
        """The room that there is for them."""
        return self.count

    @property
    def is_all(self) -> bool:
        """Whether entries are the positions in their order."""
        return self.kept and self.forward

    @property
    def everyone(self) -> Array:
        """(B,): every row."""
        return np.arange(self.live.shape[1], dtype=np.int32)

    @property
    def alive(self) -> Array:
        """(B,): every row, but -1 for one whose state had become zeros in the end."""
        return np.where(self.last != FROM_ZEROS, np.arange(len(self.last)), -1)

    def on(self, call: DeviceCall, name: Any) -> int:
        """Return where one of its arrays lies on the device, or for a number of groups their bounds.

        It is brought there once, the arrays that time loops need all together.
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
            where = self.on(call, groups), self.live.shape[0], groups
            found = (*where, *[self.on(call, name) for name in ("rows", "previous", "last")], len(self.rows))
            self._loops[groups] = found
        return found

    def visits(self) -> list[tuple[int, int, int]]:
        """Return of each visit its number, where its entries begin, and how many there are."""
        return [(v, start, stop - start) for v, (start, stop) in enumerate(self.bounds(1).tolist())]

    def _array(self, name: Any) -> Array:
        array: Array = self.bounds(name) if isinstance(name, int) else getattr(self, name)
        return array

    def _bring(self, call: DeviceCall, names: tuple[Any, ...]) -> None:
        """Bring arrays to the device in one piece."""
        together, places = self._together(names)
        if self.kept:
            brought = call.array(together)
            call.wait()  # other calls may use them, on any stream
        else:
            brought = call.empty(together.shape, together.dtype)
            call.bring(brought.address, together)
        self._pieces.append(brought)
        self._on_device.update({name: brought.address + place for name, place in places.items()})

    def _together(self, names: tuple[Any, ...]) -> tuple[Array, dict[Any, int]]:
        """Return arrays in one piece, and where in it each begins."""
        pieces, places, at = [], {}, 0
        for name in names:
            array = self._array(name)
            room = -(-array.nbytes // ALIGNED) * ALIGNED
            pieces += [array.reshape(-1).view(np.int8), np.zeros(room - array.nbytes, np.int8)]
            places[name], at = at, at + room
        return np.concatenate([*pieces, np.zeros(ALIGNED, np.int8)]), places

    def bounds(self, groups: int) -> Array:
        """Return (T, groups + 1): where each group's entries of a visit begin, rows dealt evenly, and their end."""
        steps, batch = self.live.shape
        before = np.concatenate([np.zeros((steps, 1), np.int64), self.live.cumsum(axis=1)], axis=1)
        first = np.concatenate([[0], before[:, -1].cumsum()])[:-1]
        cuts = np.arange(groups + 1) * batch // groups
        return np.ascontiguousarray((first[:, None] + before[:, cuts]).astype(np.int32))


def plan_for(call: DeviceCall, problem: Problem, direction: int) -> Plan:
    """Return the plan of one direction of a net, made anew only where rows are ragged.

    The device's dict is replaced, never changed, as other threads may look at it: of two that make a plan at once one
    may be forgotten.
    """
    if problem.lengths is not None or problem.mask is not None or problem.resets is not None:
        return make_plan(problem, direction, hold=False)
    plans, key = call.device.plans, (problem.steps, problem.batch, direction)
    known: Plan | None = plans.get(key)
    if known is not None:
        return known
    if sum(plan.live.size for plan in plans.values()) + problem.steps * problem.batch > POSITIONS_KEPT:
        plans = {}
    made = make_plan(problem, direction, hold=False, kept=True)
    call.device.plans = {**plans, key: made}
    return made


def make_plan(problem: Problem, direction: int, *, hold: bool, kept: bool = False) -> Plan:
    """Return the plan of one direction of a net; `hold`: steps that are not live repeat the last output."""
    lengths, mask, resets, shape = problem.lengths, problem.mask, problem.resets, (problem.steps, problem.batch)
    live, cut = timetable(shape, lengths, mask, resets, direction)
    return _made(live, None if resets is None else cut, direction, hold=hold, kept=kept)


def _made(live: Array, cut: Array | None, direction: int, *, hold: bool, kept: bool) -> Plan:
    """Return the plan of live visits and of those before which the state becomes zeros, if any, (T, B) bool."""
    steps, batch = live.shape
    visits, rows = np.nonzero(live)
    number = np.where(live, live.ravel().cumsum().reshape(live.shape) - 1, -1)
    before: Array = np.full((steps + 1, batch), FROM_START)  # -1: no entry has been reached
    reached = np.maximum.accumulate(number, axis=0, out=before[1:])
    if cut is not None:
        visit_numbers, nothing = np.arange(steps)[:, None], np.full((1, batch), -1)
        last_live = np.concatenate([nothing, np.maximum.accumulate(np.where(live, visit_numbers, -1), axis=0)])
        last_cut = np.concatenate([np.maximum.accumulate(np.where(cut, visit_numbers, -1), axis=0), nothing])
        last_cut[-1] = last_cut[-2] if steps else -1
        before = np.where(last_cut > last_live, FROM_ZEROS, before)
    shown = reached if hold else number
    positions = visit(np.arange(steps * batch).reshape(steps, batch), direction)
    return Plan(
        live,
        rows.astype(np.int32),
        before[visits, rows].astype(np.int32),
        before[steps].astype(np.int32),
        positions[visits, rows],
        np.ascontiguousarray(visit(shown, direction)).reshape(-1),
        np.bincount(shown[shown >= 0], minlength=len(rows)),
        kept,
        hold,
        direction == 0,
    )
