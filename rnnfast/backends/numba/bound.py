"""A prepared call of the Numba CPU backend."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnfast.arrays.layout import Layout
from rnnfast.backends.contract import BackwardArrays, ForwardArrays
from rnnfast.backends.numba.dropout import Dropout
from rnnfast.backends.numba.entries import NO_CUT, Entries, cut_of, entries_of
from rnnfast.backends.numba.layer import Layer
from rnnfast.backends.numba.net import Net, Wanted, times
from rnnfast.backends.numba.reserves import Reserve, activations, reserve_bytes
from rnnfast.backends.numba.sequences import Sequences, flat
from rnnfast.backends.numba.stages import ADD, ADD_INPUT
from rnnfast.problem import Array, Problem


class Bound:
    """Calls of one problem. It holds nothing that a run changes, so any number of threads may run it."""

    def __init__(self, problem: Problem, layout: Layout) -> None:
        directions, count = problem.num_directions, problem.num_layers * problem.num_directions
        self.layers = layers = [Layer(problem, k) for k in range(count)]
        self.problem, self.sequences = problem, Sequences(problem, layout)
        self.net = Net(problem, [layers[k : k + directions] for k in range(0, count, directions)])
        self.shape = problem.steps, problem.batch
        self.entries, self.cuts = Entries(*self.shape, None), (NO_CUT,) * directions
        self.has_c, rows = len(problem.states) > 1, count * problem.batch
        self.state_size, self.cell_size = rows * problem.state_size, rows * problem.hidden_size
        self.drops_out = max(problem.dropout, problem.input_dropout, problem.recurrent_dropout) > 0

    def run(self, arrays: ForwardArrays, dropout_seed: int = 0) -> Reserve | None:
        """Write y and the final states; return a `Reserve` where the problem is recorded."""
        x, y, start, final, lengths, mask, resets, *_ = arrays
        problem, entries, cuts, sequences = self.problem, self.entries, self.cuts, self.sequences
        if lengths is not None or mask is not None:
            entries = entries_of(self.shape, lengths, mask)
        if resets is not None:
            cuts = tuple(cut_of(self.shape, lengths, resets, problem.direction(half)) for half in range(len(cuts)))
        reserve = Reserve(entries, cuts) if problem.record else None
        dense, states = sequences.lie_flat(entries), (*self.given(start), *self.wanted(final))
        rows = flat(x) if dense else sequences.rows(x, entries)
        dropout = Dropout(problem, dropout_seed) if self.drops_out else None
        if dense and len(cuts) == 1 and y.flags.carray:
            self.net.forward(entries, cuts, rows, states, y.ravel(), dropout, reserve)
            return reserve
        outputs = self.net.forward(entries, cuts, rows, states, None, dropout, reserve)
        for half, h_after in enumerate(outputs):
            sequences.write(half, entries, y, h_after)
        return reserve

    def backward(self, reserve: Reserve, arrays: BackwardArrays, *, overwrite: bool = True, keep: bool = False) -> None:
        """Write the gradients; with overwrite=False those of the parameters are added to. Consumes the reserve or,
        with `keep`, works on copies of a layer and direction at a time."""
        x, dy, d_final, dx, d_start, d_parameters, norms, *_ = arrays
        problem, entries, x_mask, sequences = self.problem, reserve.entries, reserve.x_masks[0], self.sequences
        what, to, apart = 0 if overwrite else ADD, None, False
        if dx is not None:
            apart = x_mask is not None or not (sequences.lie_flat(entries) and dx.flags.carray)
            to = np.empty(entries.count * problem.input_size, problem.dtype) if apart else dx.ravel()
            what |= ADD_INPUT if problem.only_direction == 2 and not apart else 0
        none, halves = self.net.none, range(len(self.cuts))
        d_outputs = [none if dy is None else sequences.output_gradient(half, entries, dy) for half in halves]
        states = *self.given(d_final), *self.wanted(d_start)
        wanted = Wanted(to, d_parameters, norms, what, keep)
        self.net.backward(reserve, sequences.rows(x, entries), d_outputs, states, wanted)
        if dx is not None and to is not None and apart:
            sequences.add_or_write(dx, times(to, x_mask), entries, add=problem.only_direction == 2)

    def activations(self, reserve: Reserve) -> dict[str, Array]:
        """Return post-activation gates and, of cells that have it, "c" by name: (L·D, T, B, H), zero where not live."""
        return activations(self.problem, self.layers, reserve)

    def reserve_bytes(self) -> int:
        """Return the bytes of the arrays that a reserve holds where every step is live."""
        return reserve_bytes(self.problem, self.layers, self.entries)

    def ran(self, reserve: Reserve | None) -> str:
        """Return "": there is one way."""
        return ""

    def given(self, states: Sequence[Array | None]) -> tuple[Array, Array]:
        """Return h and c flat, empty where there is none."""
        h = c = self.net.none
        if states and states[0] is not None:
            h = flat(states[0])
        if len(states) > 1 and states[1] is not None:
            c = flat(states[1])
        return h, c

    def wanted(self, states: Sequence[Array | None]) -> tuple[Array, Array]:
        """Return h and c flat, to be written: the caller's, or others where none is wanted; no c without the state."""
        h, c = states[0] if states else None, states[1] if len(states) > 1 else None
        h = np.empty(self.state_size, self.problem.dtype) if h is None else h.ravel()
        if not self.has_c:
            return h, self.net.none
        return h, np.empty(self.cell_size, self.problem.dtype) if c is None else c.ravel()
