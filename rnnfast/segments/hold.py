"""Outputs that steps which are not live repeat, masked_output="hold", across the pieces that a problem is cut into."""

from __future__ import annotations

import numpy as np

from rnnfast.backends.common.layers import visit
from rnnfast.problem import Array, Problem


class HeldOutput:
    """Debts that one piece's last output has to the piece visited after it, and the gradient that comes back for it."""

    def __init__(self, problem: Problem) -> None:
        self.direction = problem.direction(0)
        self.output: Array | None = None
        """(B, S): y of the last step visited."""
        self.gradient: Array | None = None
        """(B, S): of the output that the piece now to be left began with."""

    def repeat(self, piece: Problem, live: Array) -> None:
        """Let the steps before a row's first live one show the output that was last before.

        `live` is (T, B) in the order of the visit, here and below.
        """
        assert piece.y is not None
        y = visit(piece.y, self.direction)
        if self.output is not None:
            np.copyto(y, self.output, where=_before_live(live)[..., None])
        self.output = y[-1].copy()

    @np.errstate(all="ignore")
    def enter(self, piece: Problem, live: Array) -> None:
        """Give the gradient to the last step visited, whose output it is: added in the order in which one call adds.

        That order is the state's gradient from after the step, dy, what was held. A step that is not live holds the
        same output in turn.
        """
        shape = (piece.steps, piece.batch, piece.state_size)
        piece.dy = np.zeros(shape, piece.dtype) if piece.dy is None else piece.dy.copy()
        if self.gradient is None:
            return
        dy, live = visit(piece.dy, self.direction)[-1], live[-1]
        state = (piece.num_layers, piece.batch, piece.state_size)
        piece.dh_n = np.zeros(state, piece.dtype) if piece.dh_n is None else piece.dh_n.copy()
        piece.dh_n[-1, live] = piece.dh_n[-1, live] + dy[live] + self.gradient[live]
        dy[live] = 0
        dy[~live] += self.gradient[~live]

    @np.errstate(all="ignore")
    def leave(self, piece: Problem, live: Array) -> None:
        """Gather the gradient of the output that was last before the piece, from the latest step on."""
        assert piece.dy is not None
        dy, before = visit(piece.dy, self.direction), _before_live(live)
        self.gradient = np.zeros_like(dy[0])
        if steps := int(before.any(axis=1).sum()):
            terms = np.where(before[:steps, :, None], dy[:steps], 0)[::-1]
            self.gradient += np.add.accumulate(terms, axis=0, dtype=dy.dtype)[-1]  # which adds in this order


def _before_live(live: Array) -> Array:
    """(T, B): the steps that a row has behind it when its first live one comes."""
    before: Array = ~np.logical_or.accumulate(live, axis=0)
    return before
