"""Indices at steps that are not live: never read, so they may be anything."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.arrays.host import as_array
from rnnfast.arrays.layout import Layout
from rnnfast.problem import Array


def readable(index: Any, lengths: Any, mask: Any, *, batch_first: bool) -> Any:
    """Return indices (T, B), with `batch_first` (B, T), or (T,), with 0 at every step that is not live.

    lengths (B,) and mask, of the shape of `index`, as recurrent nets take them. What does not fit is left to what is
    called with it, which refuses it.
    """
    given = as_array("index", index)
    if (lengths is None and mask is None) or given.ndim not in (1, 2):
        return index
    layout = Layout(batch=given.ndim == 2, batch_first=batch_first)
    steps, batch = layout.sizes((*given.shape, 1))
    live = np.ones(given.shape, bool)
    if mask is not None:
        flags = as_array("mask", mask)
        if flags.shape != given.shape:
            return index
        live &= flags != 0
    if lengths is not None:
        ends = as_array("lengths", lengths)
        if ends.size != batch or ends.dtype.kind not in "iu":
            return index
        seen: Array = layout.sequence(live)  # a view
        seen &= np.arange(steps)[:, None] < ends.reshape(batch)
    if live.all():
        return index
    found = given.copy()
    found[~live] = 0
    return found
