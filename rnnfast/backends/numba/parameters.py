"""A layer's parameters as forward reads them, in one array: both biases together, W_ih, W_hh and W_hr packed."""

from __future__ import annotations

from typing import Any

from numba import njit
from numba.extending import register_jitable

from rnnfast.backends.numba.compiling import INLINED, INNER, ONE, ZERO
from rnnfast.backends.numba.panels import pack_columns, packed_size
from rnnfast.backends.numba.product import product
from rnnfast.backends.numba.shapes import Shape, Sizes
from rnnfast.backends.numba.vectors import lanes

BLOCK = 192
"""Entries whose gates stay in the cache between the biases that are put there and the sums."""


@register_jitable
def panel_starts(shape: Shape, sizes: Sizes, width: int) -> tuple[int, int, int, int]:
    """Return where W_ih, W_hh and W_hr begin behind the biases, a row of gates, and where all ends."""
    ih = shape.slots * sizes.hidden
    hh = ih + packed_size(sizes.inputs, shape.gates * sizes.hidden, width)
    hr = hh
    for r in range(shape.used):
        run = shape.runs[r]
        hr += packed_size(sizes.state, run.gates * sizes.hidden, width)
    return ih, hh, hr, hr + shape.projects * packed_size(sizes.hidden, sizes.state, width)


@njit(**INNER)
def pack_weights(shape, sizes, w_ih, w_hh, b_ih, b_hh, w_hr, panels):
    """Put everything there, W_hh for each of its runs. Biases may be empty."""
    size, width = sizes.hidden, lanes(panels)
    ih, hh, hr, _ = panel_starts(shape, sizes, width)
    pack_columns(w_ih, panels, (ZERO, shape.gates * size, ih))
    if shape.projects:
        pack_columns(w_hr, panels, (ZERO, sizes.state, hr))
    panels[:ih] = 0
    for j in range(b_ih.shape[0]):
        panels[j] = b_ih[j]
    for r in range(shape.used):
        run = shape.runs[r]
        pack_columns(w_hh, panels, (run.gate * size, (run.gate + run.gates) * size, hh))
        hh += packed_size(sizes.state, run.gates * size, width)
        for j in range(run.gates * size if b_hh.shape[0] > 0 else 0):
            panels[run.slot * size + j] += b_hh[run.gate * size + j]


@njit(**INLINED)
def project(shape, sizes, x, panels, gates, part):
    """gates = biases + W_ih x, of the entries [first, last)."""
    first, last = part
    inputs, columns, width = sizes.inputs, gates.shape[1], lanes(panels)
    ih, _, _, _ = panel_starts(shape, sizes, width)
    for e in range(first, last, BLOCK):
        count = min(BLOCK, last - e)
        for k in range(e, e + count):
            for j in range(columns):
                gates[k, j] = panels[j]
        left, to = (e * inputs, inputs, ONE), (e * columns, columns, ONE)
        wanted, right = (count, inputs, shape.gates * sizes.hidden), (ih, width, inputs * width)
        product(x, panels, gates.reshape(-1), wanted, left, right, to)


def packed_count(shape: Shape, sizes: Sizes, like: Any) -> int:
    """Return how many numbers of that kind the packed parameters are."""
    count: int = panel_starts(shape, sizes, lanes(like))[3]
    return count
