"""Rows of a call that differ: what is brought of them to the device, once for all layers, and the tables there."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from rnnfast.backends.common.layers import live_steps, timetable
from rnnfast.backends.cuda.cluster.ragged import tables_of_flags
from rnnfast.backends.cuda.cluster.shape import ROWS
from rnnfast.backends.cuda.cluster.tile_tables import tables_kernel
from rnnfast.backends.cuda.counted import counted
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.problem import Array

ALIGNED = 4
"""int32 numbers at a multiple of which a table begins: 16 bytes."""


class Live:
    """Which rows of a call are live. Its tables lie one after another as `places` says.

    The last is `rows`, the positions t B + b of live steps, of which there can be as many as positions. Of rows that
    differ by their lengths alone these are brought, and the device makes the other tables.
    """

    def __init__(
        self, shape: tuple[int, int], directions: tuple[int, ...], lengths: Array | None, mask: Array | None,
        resets: Array | None,
    ) -> None:  # fmt: skip
        """`shape`: T and B. `directions`: of each, 0 forward and 1 backward. Without any array every step is live."""
        steps, batch = self._shape = shape
        self._given, self._directions = (lengths, mask), directions
        if lengths is None and mask is None and resets is None:
            lengths = np.full(batch, steps)
        self.form: tuple[Any, ...] = lengths is not None, mask is not None or resets is not None
        """What other calls must have like this one to be the same but for numbers: which tables there are."""
        self._places, self.room = places(shape, len(directions), *self.form)
        self.flags_away = 0
        """Bytes from one direction's flags to the next's."""
        if lengths is not None and not self.form[1]:
            self.together, count = lengths.astype(np.int32), int(np.add.reduce(lengths))
            """What is brought."""
        else:
            self.together, count = self._with_flags(lengths, mask, resets)
        self.numbers = (count,)
        self.count = counted(self.numbers, most=steps * batch)

    def _with_flags(self, lengths: Array | None, mask: Array | None, resets: Array | None) -> tuple[Array, int]:
        """Return all tables as they lie, and how many steps are live."""
        at, directions = self._places, self._directions
        rows = self.live.reshape(-1).nonzero()[0]
        found: Array = np.zeros(at["rows"].start + len(rows), np.int32)
        if lengths is not None:
            found[at["lengths"]] = lengths
        both = zip(*[timetable(self._shape, lengths, mask, resets, each) for each in directions], strict=True)
        order, spans, flags = tables_of_flags(*(np.stack(each) for each in both))
        self.flags_away = flags[0].size
        found[at["order"]], found[at["spans"]] = order, spans.reshape(-1)
        found[at["flags"]].view(np.uint8)[: flags.size] = flags.reshape(-1)
        found[at["rows"]] = rows
        return found, len(rows)

    @functools.cached_property
    def live(self) -> Array:
        """(T, B) bool: which steps are live."""
        return live_steps(*self._shape, *self._given)

    def bring(self, call: DeviceCall, to: int) -> dict[str, int]:
        """Bring the tables to an address, or let the device make them; return those of each that there is."""
        call.bring(to, self.together)
        found = {name: to + 4 * place.start for name, place in self._places.items()}
        if not self.form[1]:
            steps, batch = self._shape
            directions = self._directions[0], len(self._directions)
            values = to, steps, batch, *directions, found["order"], found["spans"], found["rows"]
            call.launch_over(max(steps, 1) * batch, tables_kernel, (), *values)
        return found


@functools.lru_cache(maxsize=1024)
def places(shape: tuple[int, int], directions: int, has_lengths: bool, has_flags: bool) -> tuple[dict[str, slice], int]:
    """Return where each table is, in int32 numbers, the rows up to the end; and how many all of them have at most.

    >>> found, room = places((10, 3), 1, True, False)
    >>> [*found], found["order"], room
    (['lengths', 'order', 'spans', 'rows'], slice(4, 7, None), 42)
    """
    steps, batch = shape
    sizes = {"order": batch, "spans": 2 * directions * -(-batch // ROWS)}
    if has_lengths:
        sizes = {"lengths": batch, **sizes}
    if has_flags:
        sizes["flags"] = -(-directions * (steps + 1) * batch // 4)
    found, end = {}, 0
    for name, count in sizes.items():
        found[name] = slice(end, end + count)
        end += -(-count // ALIGNED) * ALIGNED
    found["rows"] = slice(end, None)
    return found, end + steps * batch
