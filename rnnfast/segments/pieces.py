"""Pieces: a problem of one direction run piece by piece, forward and backward, and what passes from piece to piece."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rnnfast.arrays.layout import Layout
from rnnfast.backends.common import whole
from rnnfast.backends.common.layers import schedule
from rnnfast.backends.contract import Binder, Bound
from rnnfast.problem import Array, Pair, Problem
from rnnfast.segments.hold import HeldOutput
from rnnfast.segments.plan import Plan, Span
from rnnfast.segments.slices import steps_of


@dataclass
class Checkpoints:
    """States and reserves that a forward leaves for backward."""

    states: list[Pair] = field(default_factory=list)
    """Before each segment or, where none is recomputed, each piece, in the order of the visit; not before the first."""
    reserves: list[Any] = field(default_factory=list)
    """Of the pieces, where none is recomputed."""


class Pieces:
    """The pieces of a problem in the order in which its direction visits them."""

    def __init__(self, backend: Binder, problem: Problem, plan: Plan) -> None:
        self.backend, self.plan, self.direction = backend, plan, problem.direction(0)
        self.problem = replace(problem, frozen=True, cache={})  # so that all pieces share weights rearranged once
        self.bound: dict[tuple[Any, ...], Bound] = {}
        self.segments = plan.segments()
        if self.direction == 1:
            self.segments = [segment[::-1] for segment in reversed(self.segments)]
        if not plan.recomputes:
            self.segments = [[span] for segment in self.segments for span in segment]
        self.ragged = problem.mask is not None or problem.lengths is not None
        self.held = HeldOutput(problem) if self.ragged and problem.masked_output == "hold" else None

    def forward(self) -> Checkpoints:
        """Write y and the final states."""
        problem, kept = self.problem, Checkpoints()
        state = problem.h0, problem.c0
        for number, segment in enumerate(self.segments):
            if number > 0:
                kept.states.append(state)
            for span in segment:
                piece = self.piece(span, state, record=not self.plan.recomputes)
                state = self.advance(piece, span)
                if self.held is not None:
                    self.held.repeat(piece, self.live(piece))
                if piece.record:
                    kept.reserves.append(piece.reserve)
        for final, last in zip((problem.h_n, problem.c_n), state, strict=True):
            if final is not None and last is not None:
                final[...] = last
        return kept

    def backward(self, kept: Checkpoints, *, keep: bool = False) -> None:
        """Write the gradients. Consumes the reserves, unless told to `keep` them."""
        problem, overwrite = self.problem, self.problem.overwrite
        after: Pair = problem.dh_n, problem.dc_n
        for span, piece in self.recorded_backward(kept, consume=not keep):
            edge = span[self.direction]
            first, cut = edge in (0, problem.steps), edge % self.plan.chunk == 0
            piece.overwrite, (piece.dh_n, piece.dc_n) = overwrite, after
            if not first:
                piece.dh0, piece.dc0 = (None, None) if cut else self.new_states()
            live = self.live(piece) if self.ragged else None
            if self.held is not None and live is not None:
                self.held.enter(piece, live)
            whole.backward(piece, keep=keep and not self.plan.recomputes)
            overwrite = overwrite and live is not None and not live.any()  # gradients were written, if not as zeros
            after = piece.dh0, piece.dc0
            if not (first or cut):
                self.reset(after, edge)
            if self.held is not None and live is not None:
                self.held.leave(piece, live)
                if cut:
                    self.held.gradient = None

    def activations(self, kept: Checkpoints) -> dict[str, Array]:
        """Gates by name, and c: (L, T, B, H)."""
        found: dict[str, Array] = {}
        for (t0, t1), piece in self.recorded_backward(kept, consume=False):
            for name, values in whole.activations(piece).items():
                layers, _, *rest = values.shape
                values_of_all = found.setdefault(name, np.empty((layers, self.problem.steps, *rest), values.dtype))
                values_of_all[:, t0:t1] = values
        return found

    def recorded_backward(self, kept: Checkpoints, *, consume: bool = True) -> Iterator[tuple[Span, Problem]]:
        """The pieces with their reserves, last first: those that were kept, or a segment at a time anew."""
        problem, plan = self.problem, self.plan
        y = self.empty(plan.piece if plan.recomputes else 0, problem.batch, problem.hidden_size)
        for number in reversed(range(len(self.segments))):
            state, pieces = kept.states[number - 1] if number else (problem.h0, problem.c0), []
            for span in self.segments[number]:
                piece = self.piece(span, state, record=True)
                if plan.recomputes:
                    piece.y = y[: piece.steps]
                    state = self.advance(piece, span)
                else:
                    piece.reserve = kept.reserves[number]
                    kept.reserves[number] = None if consume else piece.reserve
                pieces.append((span, piece))
            while pieces:
                yield pieces.pop()

    def bind(self, problem: Problem, layout: Layout) -> Bound:
        """Prepare calls of a piece, or return those of another one of the same form."""
        drops_out = problem.dropout or problem.input_dropout or problem.recurrent_dropout
        form = problem.steps, problem.record, problem.first_step if drops_out else 0
        if form not in self.bound:
            self.bound[form] = self.backend.bind(problem, layout)
        return self.bound[form]

    def piece(self, span: Span, state: Pair, *, record: bool) -> Problem:
        """Some steps, and the state before them."""
        piece = steps_of(self.problem, *span)
        piece.h0, piece.c0, piece.record = *state, record
        return piece

    def advance(self, piece: Problem, span: Span) -> Pair:
        """Run it forward; the state that the next piece starts from."""
        piece.h_n, piece.c_n = self.new_states()
        whole.forward(self, piece)
        if span[0] > 0:
            self.reset((piece.h_n, piece.c_n), span[0])
        return piece.h_n, piece.c_n

    def reset(self, states: Pair, step: int) -> None:
        """Apply a reset between two pieces, which neither sees, to the state that passes backward in time.

        Of a net that goes forward in time, the later of two pieces begins with it.
        """
        resets, lengths = self.problem.resets, self.problem.lengths
        if self.direction == 0 or resets is None:
            return
        rows = resets[step] != 0
        if lengths is not None:
            rows = rows & (step < lengths)
        for state in states:
            if state is not None:
                state[:, rows] = 0

    def live(self, piece: Problem) -> Array:
        """(T, B), in the order of the visit."""
        return schedule(piece, self.direction)[0]

    def new_states(self) -> Pair:
        """h and c, to be written."""
        shape = self.problem.num_layers, self.problem.batch, self.problem.hidden_size
        return self.empty(*shape), self.empty(*shape) if len(self.problem.states) > 1 else None

    def empty(self, *shape: int) -> Array:
        """A new array."""
        return np.empty(shape, self.problem.dtype)
