"""Statistics of gates: where they stand on average and how many are saturated, at every step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast.modules.tape import Tape
from rnnfast.problem import Array

LOW, HIGH = 0.1, 0.9
"""A logistic gate below or above these is saturated; a tanh gate below -HIGH or above HIGH."""
TANH_GATES = ("g", "n")
"""The candidates of LSTM and GRU; all their other gates are logistic."""


@dataclass(frozen=True)
class GateStatistics:
    """One gate at every step, over the units of all live rows: arrays (T, L·D) float64, NaN where no row is live.

    >>> gate = GateStatistics(mean=np.array([[0.6]]), low=np.array([[0.25]]), high=np.array([[0.5]]))
    >>> gate.saturated
    array([[0.75]])
    """

    mean: Array
    """Mean of the gate's values after its activation."""
    low: Array
    """Share, 0 to 1, of values below 0.1 (tanh gates: below -0.9)."""
    high: Array
    """Share of values above 0.9."""

    @property
    def saturated(self) -> Array:
        """Share at either end, where the activation passes on little gradient."""
        return self.low + self.high


def gate_statistics(tape: Tape[Any]) -> dict[str, GateStatistics]:
    """Return the statistics of the gates of a recorded LSTM (i f g o) or GRU (r z n), by name.

    Raises TypeError for another net's tape, RuntimeError after a `backward` that spent the tape.

    >>> import rnnfast
    >>> net = rnnfast.GRU(3, 4, seed=0)
    >>> _, _, tape = net.record(np.ones((5, 2, 3), np.float32))
    >>> statistics = gate_statistics(tape)
    >>> list(statistics), statistics["z"].mean.shape
    (['r', 'z', 'n'], (5, 1))
    >>> bool((statistics["z"].saturated == 0).all())  # gates of a net that has learned nothing are half open
    True
    """
    if not isinstance(tape, Tape):
        raise TypeError(f"tape must be that of a recorded LSTM or GRU, got {type(tape).__name__}")
    gates, live = tape.gates(), tape.live
    if "h" in gates:
        raise TypeError("this is the tape of an RNN, which has no gates: pass that of an LSTM or a GRU")
    return {name: _statistics(name, values, live) for name, values in gates.items()}


def _statistics(name: str, values: Array, live: Array) -> GateStatistics:
    layers = len(values) if values.ndim > 2 else 1  # a step cell's are (B, H) or (H,)
    values = values.reshape(layers, *live.shape, values.shape[-1])
    shown, count = live[:, :, None], np.count_nonzero(live, axis=1)[:, None] * values.shape[-1]

    def share(chosen: Array) -> Array:
        found = _over(np.count_nonzero(chosen & shown, axis=(2, 3)).T, count)
        return np.where(np.isnan(total), np.nan, found)  # of what is no number nobody knows

    total = np.sum(values, axis=(2, 3), where=shown, dtype=np.float64).T
    low = values < (-HIGH if name in TANH_GATES else LOW)
    return GateStatistics(_over(total, count), share(low), share(values > HIGH))


def _over(total: Array, count: Array) -> Array:
    """Return total (T, L·D) / count (T, 1), NaN where nothing was counted."""
    result: Array = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return result
