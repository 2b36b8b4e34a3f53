"""Rows of a call that differ, as tables for kernels: brought to the device in one piece, once for all layers."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from rnnfast.backends.common.layers import live_steps, timetable
from rnnfast.backends.cuda.cluster.ragged import tables_of_flags, write_tables_of_lengths
from rnnfast.backends.cuda.cluster.shape import ROWS
from rnnfast.backends.cuda.counted import counted
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.problem import Array

POSITIONS_KEPT = 1 << 16
"""Positions of calls whose tables are kept: of larger ones they take memory, and next to the call little time."""
ALIGNED = 4
"""int32 numbers at a multiple of which a table begins: 16 bytes."""


class Live:
    """The tables of a call with lengths, a mask or resets. `rows`: the positions t B + b of live steps.

    They lie one after another as `places` says, the rows last, of which there can be as many as positions.
    """

    def __init__(
        self, shape: tuple[int, int], directions: tuple[int, ...], lengths: Array | None, mask: Array | None,
        resets: Array | None,
    ) -> None:  # fmt: skip
        """`shape`: T and B. `directions`: of each, 0 forward and 1 backward. Without any array every step is live."""
        steps, batch = shape
        self.live: Array = live_steps(steps, batch, lengths, mask)
        """(T, B) bool."""
        rows = self.live.reshape(-1).nonzero()[0]
        self.count = counted(len(rows))
        self.form: tuple[Any, ...] = lengths is not None, mask is not None or resets is not None
        """What other calls must have like this one to be the same but for numbers: which tables there are."""
        self._places, self.room = at, _ = places(shape, len(directions), *self.form)
        found: Array = np.zeros(at["rows"].start + len(rows), np.int32)
        self.together, self.flags_away = found, 0
        """All tables as they lie; bytes from one direction's flags to the next's."""
        if lengths is not None:
            found[at["lengths"]] = lengths
        order, spans = found[at["order"]], found[at["spans"]].reshape(len(directions), -1, 2)
        if mask is None and resets is None:
            ends = np.full(batch, steps) if lengths is None else lengths
            write_tables_of_lengths(order, spans, ends, steps, directions)
        else:
            both = zip(*[timetable(shape, lengths, mask, resets, each) for each in directions], strict=True)
            order[:], spans[:], flags = tables_of_flags(*(np.stack(each) for each in both))
            assert flags is not None
            self.flags_away = flags[0].size
            found[at["flags"]].view(np.uint8)[: flags.size] = flags.reshape(-1)
        found[at["rows"]] = rows

    def bring(self, call: DeviceCall, to: int) -> dict[str, int]:
        """Bring the tables to an address; return those of each that there is."""
        call.bring(to, self.together)
        return {name: to + 4 * place.start for name, place in self._places.items()}


def live_of_lengths(shape: tuple[int, int], directions: tuple[int, ...], lengths: Array) -> Live:
    """Return the tables of rows of these lengths (B,) int64; kept for a while, as nets of a model get the same ones."""
    if shape[0] * shape[1] > POSITIONS_KEPT:
        return Live(shape, directions, lengths, None, None)
    return _kept(shape, directions, lengths.tobytes())


@functools.lru_cache(maxsize=8)
def _kept(shape: tuple[int, int], directions: tuple[int, ...], lengths: bytes) -> Live:
    return Live(shape, directions, np.frombuffer(lengths, np.int64), None, None)


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
