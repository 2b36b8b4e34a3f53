"""The numbers a case is run on: weights, input, state and output gradient, the same for every candidate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rnnfast.benchmark.cases import Case
from rnnfast.problem import Array

SUBNORMAL = 0.02
"""Size of the states and gradients of a "subnormal" case, in units of the smallest normal number."""


RESETS = 1 / 8
"""How likely a step of a case with resets is to start from zeros."""


@dataclass(frozen=True, eq=False)
class Data:
    """Weights by PyTorch's names; x (T, B, I); states h0, for the LSTM h0 and c0, (1, B, H); dy (T, B, H).

    `lengths` (B,) int64 for a ragged case, `resets` (T, B) bool for one with resets, else None.
    """

    weights: dict[str, Array]
    x: Array
    states: tuple[Array, ...]
    dy: Array
    lengths: Array | None
    resets: Array | None = None

    @property
    def flags(self) -> dict[str, Array | None]:
        """Arguments that say which steps are live, and where the state starts anew, by name."""
        return {"lengths": self.lengths, "resets": self.resets}

    @property
    def fill(self) -> float:
        """The fraction of steps that is live."""
        steps, batch, _ = self.x.shape
        return 1.0 if self.lengths is None else float(self.lengths.sum()) / (steps * batch)


def make_data(case: Case) -> Data:
    """Make weights as a fresh module has them, all else standard normal; the same for every case of these sizes.

    States that a call does not give are zeros.
    """
    random = np.random.default_rng(0)
    rows, bound = case.gates * case.hidden, 1 / math.sqrt(case.hidden)
    matrices = {"weight_ih_l0": (rows, case.inputs), "weight_hh_l0": (rows, case.hidden)}
    shapes = {**matrices, "bias_ih_l0": (rows,), "bias_hh_l0": (rows,)}
    weights = {name: random.uniform(-bound, bound, shape) for name, shape in shapes.items()}
    states = [random.standard_normal((1, case.batch, case.hidden)) for _ in range(2 if case.cell == "lstm" else 1)]
    lengths = random.integers(1, case.steps, case.batch, endpoint=True) if case.kind == "ragged" else None
    x = random.standard_normal((case.steps, case.batch, case.inputs))
    dy = random.standard_normal((case.steps, case.batch, case.hidden))
    resets = random.random((case.steps, case.batch)) < RESETS if case.kind == "resets" else None
    if not case.has_state:
        states = [np.zeros_like(array) for array in states]
    if case.kind == "subnormal":
        x[:] = 0
        for array in (*states, dy):
            array *= SUBNORMAL * np.finfo(case.dtype).tiny
        _keep_state(case, weights, random)
    cast = {name: array.astype(case.dtype) for name, array in weights.items()}
    h0, *rest = (array.astype(case.dtype) for array in states)
    return Data(cast, x.astype(case.dtype), (h0, *rest), dy.astype(case.dtype), lengths, resets)


def _keep_state(case: Case, weights: dict[str, Array], random: np.random.Generator) -> None:
    """Change the weights so that a state dies away by a few parts in a hundred each step and stays subnormal for long.

    The gates that keep it are open, those that add to it all but closed; an RNN's W_hh only turns it.
    """
    bias = weights["bias_hh_l0"].reshape(case.gates, case.hidden)
    weights["bias_ih_l0"][:] = bias[:] = 0
    if case.cell == "lstm":
        bias[0], bias[1] = -4, 4  # i, f
    elif case.cell in ("gru", "gru_before"):
        bias[1] = 4  # z
    else:
        orthogonal, _ = np.linalg.qr(random.standard_normal((case.hidden, case.hidden)))
        weights["weight_hh_l0"] = 0.98 * orthogonal
