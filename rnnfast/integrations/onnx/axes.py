"""The axes of a recurrent node's arrays beside those of a net: views, and the reverse direction alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rnnfast.integrations.onnx.options import Options
from rnnfast.modules.frozen import Frozen
from rnnfast.problem import Array

Run = Callable[[Array, Any, Array | None], tuple[Array, Any]]
"""What takes x, the state and lengths, and returns y and the final state."""


def outputs_of(options: Options) -> Callable[[Array], Array]:
    """Return what makes Y of a net's y (T, B, D·H) or, with layout=1, (B, T, D·H)."""
    directions = options.directions

    def batch_first(y: Array) -> Array:
        turned: Array = y.reshape(*y.shape[:2], directions, y.shape[2] // directions)
        return turned

    def both(y: Array) -> Array:
        turned: Array = batch_first(y).transpose(0, 2, 1, 3)
        return turned

    def alone(y: Array) -> Array:
        turned: Array = y[:, None]
        return turned

    return batch_first if options.batch_first else both if directions == 2 else alone


def state_of(options: Options) -> Callable[[Array | None], Array | None]:
    """Return what makes a node's state a net's, and the other way round."""

    def same(state: Array | None) -> Array | None:
        return state

    def turned(state: Array | None) -> Array | None:
        return state if state is None or state.ndim != 3 else state.transpose(1, 0, 2)

    return turned if options.batch_first else same


def forwards(net: Frozen[Any]) -> Run:
    """Return the call of a net that goes forward or in both directions."""
    return lambda x, state, lengths: net(x, state, lengths=lengths)


def backwards(net: Frozen[Any], time: int) -> Run:
    """Return the call of a net from the last live step to the first, steps being the axis `time`.

    A net that goes forward over the steps in reverse does so, steps beyond a row's end not being live.
    """
    flip = (slice(None),) * time + (slice(None, None, -1),)

    def run(x: Array, state: Any, lengths: Array | None) -> tuple[Array, Any]:
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
