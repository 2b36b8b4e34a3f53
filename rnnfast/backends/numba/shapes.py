"""How a cell's gates and weights are laid out."""

from __future__ import annotations

import functools
from typing import NamedTuple

from rnnfast.backends.numba.cells import CODES


class Shape(NamedTuple):
    """Sizes of a layer. A row of gates has PyTorch's gates, then a recurrent sum that stays apart.

    Two products give the recurrent sums: the rows of W_hh below `first` those from column 0 on, the others, of which
    there may be none, those from column `second` on.
    """

    cell: int
    inputs: int
    hidden: int
    rows: int
    """Of W_ih and W_hh."""
    columns: int
    """Of a row of gates."""
    first: int
    second: int


_UNITS = {
    **dict.fromkeys(("rnn_tanh", "rnn_relu", "rnn_linear"), (1, 1, 1, 0)),
    "lstm": (4, 4, 4, 0),
    "gru": (3, 4, 2, 3),
    "gru_before": (3, 3, 2, 2),
}


@functools.cache
def shape_of(cell: str, inputs: int, hidden: int) -> Shape:
    """The sizes of a cell with so many inputs and units."""
    return Shape(CODES[cell], inputs, hidden, *(n * hidden for n in _UNITS[cell]))
