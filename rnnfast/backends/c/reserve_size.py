"""The size of librnnfast's reserve as a formula, for whoever must know it for any T and B."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from rnnfast.backends.c.memory import ALIGNMENT
from rnnfast.problem import CELLS

MANY_LINES = 16
"""Lines from which on a row has an odd number of them: rf_row_stride of csrc/layer/layer.h."""


def reserve_bytes(
    cell: str,
    dtype: DTypeLike,
    num_layers: int,
    num_directions: int,
    hidden_size: int,
    steps: int,
    batch: int,
    *,
    hold: bool = False,
) -> int:
    """Return the bytes that a recorded call of T `steps` and that batch leaves, those of rf_reserve_bytes exactly.

    T and B are only added and multiplied, so that numbers which stand for any size may be given. `hold`: outputs are
    held, masked_output="hold". Nothing is checked.

    >>> reserve_bytes("lstm", "float32", 1, 1, 8, steps=5, batch=2)
    3840
    """
    kind, in_line = CELLS[cell], ALIGNMENT // np.dtype(dtype).itemsize
    lines = -(-hidden_size // in_line)
    of_step = num_layers * (len(kind.states) * _row(lines) + _row(lines * kind.slots))
    return batch * (num_directions * ALIGNMENT) * (steps * of_step + (_row(lines) if hold else 0))


def _row(lines: int) -> int:
    """Return the lines from one row to the next."""
    return lines + (lines >= MANY_LINES and lines % 2 == 0)
