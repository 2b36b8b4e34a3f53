"""One layer and direction of the reference: the loop over time, forward and backward, over the live rows of each step.

Whatever has a time axis comes in the order of the visit, so that nothing here knows a direction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from rnnfast.backends.reference.cells import Formulas, Named, Weights, affine
from rnnfast.problem import Array


class Step(NamedTuple):
    """What backward needs of one step: its live rows and, for those, input, states before and the cell's values."""

    rows: Array
    x: Array
    before: Named
    h_in: Array
    saved: Named


@dataclass
class LayerGradients:
    """Derivatives of the loss by the parameters and by the initial states, and the norms of those by every state."""

    weight_ih: Array
    weight_hh: Array
    bias_ih: Array
    bias_hh: Array
    states: Named
    norms: Array
    """(T, 2) float64: over the live rows of h and c."""

    @classmethod
    def zeros(cls, weights: Weights, d_final: Named, steps: int) -> LayerGradients:
        """Before the last step: no parameter has a gradient yet, the states have those of the final states."""
        w_ih, w_hh, b_ih, b_hh = (
            np.zeros_like(a) for a in (weights.ih, weights.hh, weights.ih[:, 0], weights.hh[:, 0])
        )
        return cls(w_ih, w_hh, b_ih, b_hh, {name: d.copy() for name, d in d_final.items()}, np.zeros((steps, 2)))


@dataclass
class Layer:
    """One layer and direction of a net, and the steps it has taken."""

    formulas: Formulas
    weights: Weights
    live: Array
    """(T, B): the steps that are visited."""
    cut: Array
    """(T, B): before the step the state becomes zeros."""
    hold: bool
    """A step that is not live repeats the last live output; else its output is zero."""
    x_mask: Array | None
    """(T, B, I): factors of dropout on the input."""
    h_mask: Array | None
    """(B, H): factors of dropout on h in the recurrent product."""
    steps: list[Step] = field(default_factory=list)

    def forward(self, x: Array, y: Array, initial: Named) -> Named:
        """Read x (T, B, I) and the initial states, write y (T, B, H), return the final states."""
        states = {name: state.copy() for name, state in initial.items()}
        held = np.zeros_like(states["h"])
        for t in range(len(x)):
            for state in states.values():
                state[self.cut[t]] = 0
            step = self._step(t, x, states)
            for name, state in states.items():
                state[step.rows] = step.saved[name]
            held[step.rows] = step.saved["h"]
            y[t] = held if self.hold else 0
            y[t, step.rows] = step.saved["h"]
            self.steps.append(step)
        return states

    def _step(self, t: int, x: Array, states: Named) -> Step:
        rows = np.flatnonzero(self.live[t])
        before = {name: state[rows] for name, state in states.items()}
        x_in = x[t, rows] if self.x_mask is None else x[t, rows] * self.x_mask[t, rows]
        h_in = before["h"] if self.h_mask is None else before["h"] * self.h_mask[rows]
        gx = affine(x_in, self.weights.ih, self.weights.b_ih)
        return Step(rows, x_in, before, h_in, self.formulas.forward(gx, self.weights, before, h_in))

    def backward(self, dy: Array, dx: Array, d_final: Named) -> LayerGradients:
        """Read dy (T, B, H) and the gradients of the final states, add to dx (T, B, I)."""
        total = LayerGradients.zeros(self.weights, d_final, len(self.steps))
        d_held = np.zeros_like(d_final["h"])  # of the output that later steps repeat
        for t in reversed(range(len(self.steps))):
            rows, idle = self.steps[t].rows, ~self.live[t]
            if self.hold:
                d_held[idle] += dy[t, idle]
            d_after = {name: d[rows] for name, d in total.states.items()}
            d_after["h"] += dy[t, rows] + d_held[rows]
            d_held[rows] = 0
            dx[t, rows] += self._step_back(t, d_after, total)
            for d in total.states.values():
                d[self.cut[t]] = 0
        return total

    def _step_back(self, t: int, d_after: Named, total: LayerGradients) -> Array:
        """Add one step to `total`, whose states go from after to before the step; return dL/dx of the live rows."""
        step = self.steps[t]
        g = self.formulas.backward(step.saved, self.weights, step.before, step.h_in, d_after)
        total.weight_ih += g.from_input.T @ step.x
        total.weight_hh += g.weight_hh
        total.bias_ih += g.from_input.sum(axis=0)
        total.bias_hh += g.from_recurrent.sum(axis=0)
        for column, (name, d) in enumerate(total.states.items()):
            total.norms[t, column] = np.linalg.norm(g.after[name].astype(np.float64))
            d[step.rows] = g.before[name]
        total.states["h"][step.rows] += g.h_in if self.h_mask is None else g.h_in * self.h_mask[step.rows]
        d_x: Array = g.from_input @ self.weights.ih
        return d_x if self.x_mask is None else d_x * self.x_mask[t, step.rows]
