"""Rows of a call that clusters run, not all live: brought once for all layers, and where the device makes tables."""

from __future__ import annotations

import functools

import numpy as np

from rnnfast.backends.cuda.cluster.shape import ROWS
from rnnfast.backends.cuda.cluster.tile_tables import tables_kernel
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.given_rows import GivenRows
from rnnfast.backends.cuda.step_flags import visits_of_block
from rnnfast.problem import Array

ALIGNED = 4
"""int32 numbers at a multiple of which a table begins: 16 bytes."""


class Live(GivenRows):
    """Which rows of a call are live. Its tables lie one after another, behind what is brought.

    The last is `rows`, the positions t B + b of live steps, of which there can be as many as positions.
    """

    def __init__(
        self, shape: tuple[int, int], directions: tuple[int, ...], lengths: Array | None, mask: Array | None,
        resets: Array | None, tile_rows: int = ROWS,
    ) -> None:  # fmt: skip
        """`shape`: T and B. `directions`: of each, 0 forward and 1 backward. Without any array every step is live."""
        steps, batch = shape
        if lengths is None and mask is None and resets is None:
            lengths = np.full(batch, steps)
        super().__init__(shape, lengths, mask, resets, zeros=2 * len(directions) * batch + 1)
        self._directions, self._tile_rows = directions, tile_rows
        has_flags = mask is not None or resets is not None
        self.flags_away = (steps + 1) * batch if has_flags else 0
        """Bytes from one direction's flags to the next's; 0: there are none, lengths say all."""

    @property
    def room(self) -> int:
        """The int32 numbers of all."""
        return self._places[1]

    @property
    def _places(self) -> tuple[dict[str, int], int]:
        return places(len(self.together), self.shape, len(self._directions), self.flags_away > 0, self._tile_rows)

    def bring(self, call: DeviceCall, to: int) -> dict[str, int]:
        """Bring what was given to an address, let the device make the tables; return those of each that there is."""
        call.bring(to, self.together)
        found, given = {name: to + 4 * place for name, place in self._places[0].items()}, self.at(to)
        (steps, batch), count = self.shape, len(self._directions)
        each = visits_of_block(steps)
        brought = (
            given.lengths,
            given.mask,
            given.resets,
            steps,
            batch,
            self._directions[0],
            count,
            each,
            self._tile_rows,
        )
        made = found["order"], found["spans"], found.get("flags", 0), found["rows"]
        zeros = given.zeros, given.zeros + 8 * count * batch
        blocks = max(-(-steps // each), 1) if batch else 0
        call.run_on(call.prepared(tables_kernel, ()), (blocks, 1), *brought, *zeros, *made)
        return found if not self.has[0] else {"lengths": given.lengths, **found}


@functools.lru_cache(maxsize=1024)
def places(
    brought: int, shape: tuple[int, int], directions: int, has_flags: bool, tile_rows: int
) -> tuple[dict[str, int], int]:
    """Return where tables begin behind so many bytes, in int32 numbers, and how many there are of all of them.

    >>> places(40, (10, 3), 1, False, 8)
    ({'order': 12, 'spans': 16, 'rows': 20}, 50)
    """
    steps, batch = shape
    sizes = {"order": batch, "spans": 2 * directions * -(-batch // tile_rows)}
    if has_flags:
        sizes["flags"] = -(-directions * (steps + 1) * batch // 4)
    found, end = {}, _aligned(-(-brought // 4))
    for name, count in sizes.items():
        found[name] = end
        end += _aligned(count)
    found["rows"] = end
    return found, end + steps * batch


def _aligned(count: int) -> int:
    return -(-count // ALIGNED) * ALIGNED
