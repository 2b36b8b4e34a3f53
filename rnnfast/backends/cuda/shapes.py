"""The cells as the kernels run them: how a row of gates is laid out, and the products of a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rnnfast.backends.cuda import cells
from rnnfast.backends.scalar import rnn


@dataclass(frozen=True)
class Phase:
    """One product with rows of W_hh, of gates [first, first + count), and what it is followed by in forward.

    Their gradients stand in a row of gates from slot `first` on, one slot further behind the first `unbroken` of them.
    """

    forward: Callable[..., Any]
    first: int
    count: int
    unbroken: int

    @property
    def runs(self) -> tuple[tuple[int, int, int], ...]:
        """Gates whose slots follow one another: the first gate, how many, the first one's slot."""
        begin, rest = self.first + self.unbroken, self.count - self.unbroken
        together = ((self.first, self.unbroken, self.first),)
        return (*together, (begin, rest, begin + 1)) if rest else together


@dataclass(frozen=True)
class Cell:
    """How the kernels run a cell: slots of a row of gates, those with a product of the input first."""

    slots: int
    inputs: int
    phases: tuple[Phase, ...]
    backward: Callable[..., Any]
    """(..., dL/dh', dL/dc', state) -> what reaches h not by a product, and dL/dc."""
    states: int = 1

    @property
    def runs(self) -> tuple[tuple[int, int, int], ...]:
        """Those of all phases."""
        return tuple(run for phase in self.phases for run in phase.runs)

    @property
    def gate_of(self) -> tuple[int, ...]:
        """Of every slot the gate whose recurrent product and bias it takes, -1: none."""
        gates = {slot + n: gate + n for gate, count, slot in self.runs for n in range(count)}
        return tuple(gates.get(slot, -1) for slot in range(self.slots))


def _rnn(activation, derivative):
    forward, backward = cells.elman(activation, derivative)
    return Cell(1, 1, (Phase(forward, 0, 1, 1),), backward)


_GRU_BEFORE = Phase(cells.gru_before_gates, 0, 2, 2), Phase(cells.gru_before_forward, 2, 1, 1)
CELLS = {
    "rnn_tanh": _rnn(rnn.tanh_forward, rnn.tanh_backward),
    "rnn_relu": _rnn(rnn.relu_forward, rnn.relu_backward),
    "rnn_linear": _rnn(rnn.linear_forward, rnn.linear_backward),
    "lstm": Cell(4, 4, (Phase(cells.lstm_forward, 0, 4, 4),), cells.lstm_backward, states=2),
    "gru": Cell(4, 3, (Phase(cells.gru_forward, 0, 3, 2),), cells.gru_backward),
    "gru_before": Cell(3, 3, _GRU_BEFORE, cells.gru_before_backward),
}
