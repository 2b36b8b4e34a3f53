"""The axes of a recurrent node's arrays beside those of a net: views, and the reverse direction alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rnnfast.integrations.onnx.options import Options
from rnnfast.modules.frozen import Frozen
from rnnfast.problem import Array


def outputs_of(options: Options) -> Callable[[Array], Array]:
    """Return what makes Y of a net's y (T, B, D·H) or, with layout=1, (B, T, D·H)."""
    directions = options.directions

    def batch_first(y: Array) -> Array:
        apart: Array = y.reshape(*y.shape[:2], directions, y.shape[2] // directions)
        return apart

    def both(y: Array) -> Array:
        apart: Array = batch_first(y).transpose(0, 2, 1, 3)
        return apart

    def alone(y: Array) -> Array:
        one: Array = y[:, None]
        return one

    return batch_first if options.batch_first else both if directions == 2 else alone


def turned(state: Array | None) -> Array | None:
    """Return a state (B, D, H), as layout=1 has it, as (D, B, H), and the other way round."""
    return state if state is None or state.ndim != 3 else state.transpose(1, 0, 2)


def backwards(net: Frozen[Any], time: int) -> Callable[..., tuple[Array, Any]]:
    """Return the call of a net from the last live step to the first, steps being the axis `time`.

    A net that goes forward over the steps in reverse does so, steps beyond a row's end not being live.
    """
    flip = (slice(None),) * time + (slice(None, None, -1),)

    def run(x: Array, state: Any, lengths: Array | None = None) -> tuple[Array, Any]:
        mask = None if lengths is None else _live(lengths, x.shape[time], x.shape[1 - time], time)[flip]
        y, final = net(x[flip], state, mask=mask)
        return y[flip], final

    return run


def _live(lengths: Array, steps: int, batch: int, time: int) -> Array:
    """Return which steps are live, (T, B), or (B, T) where time is axis 1. Raises as a net does for its lengths."""
    if lengths.dtype.kind not in "iu" or lengths.shape != (batch,):
        raise ValueError(f"sequence_lens is {lengths.dtype} of shape {lengths.shape}, expected integers ({batch},)")
    if batch and (lengths.min() < 0 or lengths.max() > steps):
        raise ValueError(f"sequence_lens go from {lengths.min()} to {lengths.max()}, expected 0 to {steps}")
    live: Array = np.arange(steps)[:, None] < lengths
    return live.T if time else live
