"""One layer and direction of the reference: the loop over time, forward and backward, on the live rows of each step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rnnfast.backends.reference.cells import Formulas, Named, Weights, affine
from rnnfast.backends.reference.schedule import Schedule
from rnnfast.problem import Array


class Step(NamedTuple):
    """One step as backward needs it: its live rows and, for those, input, states before and the cell's values."""

    t: int
    rows: Array
    x: Array
    before: Named
    h_in: Array
    saved: Named


class Kept(NamedTuple):
    """A layer's run forward as backward needs it."""

    schedule: Schedule
    h_mask: Array | None
    """(B, S): factors of dropout on h in the recurrent product."""
    steps: list[Step]
    """In the order of the visit."""


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
    weight_hr: Array | None

    @classmethod
    def zeros(cls, weights: Weights, d_final: Named, steps: int) -> LayerGradients:
        """Return zeros for the parameters and the norms, and the gradients of the final states for the states."""
        w_ih, w_hh, b_ih, b_hh = (
            np.zeros_like(a) for a in (weights.ih, weights.hh, weights.ih[:, 0], weights.hh[:, 0])
        )
        w_hr = None if weights.hr is None else np.zeros_like(weights.hr)
        states = {name: d.copy() for name, d in d_final.items()}
        return cls(w_ih, w_hh, b_ih, b_hh, states, np.zeros((steps, 2)), w_hr)


class Layer(NamedTuple):
    """One layer and direction of a net, whatever it is run on."""

    formulas: Formulas
    weights: Weights
    hold: bool
    """A step that is not live repeats the last live output; else its output is zero."""

    def forward(
        self, schedule: Schedule, h_mask: Array | None, x: Array, y: Array, initial: Named
    ) -> tuple[Named, Kept]:
        """Read x (T, B, I) and the initial states, write y (T, B, S); return the final states and what is kept."""
        states = {name: state.copy() for name, state in initial.items()}
        held = np.zeros_like(states["h"])
        kept = Kept(schedule, h_mask, [])
        for t in schedule.order:
            for state in states.values():
                state[schedule.fresh[t]] = 0
            step = self._step(kept, t, x[t], states)
            for name, state in states.items():
                state[step.rows] = step.saved[name]
            held[step.rows] = step.saved["h"]
            y[t] = held if self.hold else 0
            y[t, step.rows] = step.saved["h"]
            kept.steps.append(step)
        return states, kept

    def _step(self, kept: Kept, t: int, x: Array, states: Named) -> Step:
        rows = np.flatnonzero(kept.schedule.live[t])
        before = {name: state[rows] for name, state in states.items()}
        h_in = before["h"] if kept.h_mask is None else before["h"] * kept.h_mask[rows]
        x_in = x[rows]
        gx = affine(x_in, self.weights.ih, self.weights.b_ih, self.weights.product)
        return Step(t, rows, x_in, before, h_in, self.formulas.forward(gx, self.weights, before, h_in))

    def backward(self, kept: Kept, dy: Array, dx: Array, d_final: Named) -> LayerGradients:
        """Read dy (T, B, S) and the gradients of the final states, add to dx (T, B, I)."""
        total = LayerGradients.zeros(self.weights, d_final, len(kept.steps))
        d_held = np.zeros_like(d_final["h"])  # of the output that later steps repeat
        for step in reversed(kept.steps):
            t, rows = step.t, step.rows
            if self.hold:
                idle = ~kept.schedule.live[t]
                d_held[idle] += dy[t, idle]
            d_after = {name: d[rows] for name, d in total.states.items()}
            d_after["h"] += dy[t, rows] + d_held[rows]
            d_held[rows] = 0
            dx[t, rows] += self._step_back(step, kept.h_mask, d_after, total)
            for d in total.states.values():
                d[kept.schedule.fresh[t]] = 0
        return total

    def _step_back(self, step: Step, h_mask: Array | None, d_after: Named, total: LayerGradients) -> Array:
        """Add one step to `total`, whose states go from after to before the step; return dL/dx of the live rows."""
        g = self.formulas.backward(step.saved, self.weights, step.before, step.h_in, d_after)
        total.weight_ih += self.weights.product(g.from_input.T, step.x)
        total.weight_hh += g.weight_hh
        total.bias_ih += g.from_input.sum(axis=0)
        total.bias_hh += g.from_recurrent.sum(axis=0)
        if total.weight_hr is not None:
            total.weight_hr += g.weight_hr
        for column, (name, d) in enumerate(total.states.items()):
            total.norms[step.t, column] = np.linalg.norm(g.after[name].astype(np.float64))
            d[step.rows] = g.before[name]
        total.states["h"][step.rows] += g.h_in if h_mask is None else g.h_in * h_mask[step.rows]
        return self.weights.product(g.from_input, self.weights.ih)
