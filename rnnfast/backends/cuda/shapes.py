"""The cells as the kernels run them: their shape, from the one table of cells, with the formulas of each product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from rnnfast import problem
from rnnfast.backends.cuda import cells
from rnnfast.backends.scalar import rnn


@dataclass(frozen=True)
class Run:
    """Gates of a phase that follow one another in W_hh and, as slots, in a row of gates."""

    gate: int
    slot: int
    count: int


@dataclass(frozen=True)
class Phase:
    """One product of a step with rows of W_hh, and the formulas that follow it in forward."""

    forward: Callable[..., Any]
    first: int
    """Its first gate."""
    slots: tuple[int, ...]
    """Where the gradients of its gates stand in a row of gates."""

    @property
    def count(self) -> int:
        """Return the number of its gates."""
        return len(self.slots)

    @property
    def skipped(self) -> int:
        """The number of slots between its runs, of which there are two at most."""
        first, last = self.runs[0], self.runs[-1]
        return 0 if first is last else last.slot - first.slot - first.count

    @property
    def runs(self) -> tuple[Run, ...]:
        """Its gates, as few runs of them as can be."""
        breaks = [n for n in range(1, self.count) if self.slots[n] != self.slots[n - 1] + 1]
        edges = [0, *breaks, self.count]
        return tuple(Run(self.first + a, self.slots[a], b - a) for a, b in zip(edges[:-1], edges[1:], strict=True))


@dataclass(frozen=True)
class Cell:
    """A cell's shape and formulas. In a row of gates the slots with a product of the input come first."""

    name: str
    slots: int
    inputs: int
    """The number of those first slots: all gates have a product of the input."""
    states: int
    phases: tuple[Phase, ...]
    backward: Callable[..., Any]
    """(..., dL/dh', dL/dc', state) -> what reaches h not by a product, and dL/dc."""
    total_dc: Any
    """(e, j, dL/dh', dL/dc', state) -> dL/dc' with what comes through h'; None of cells without c."""

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs of all phases."""
        return tuple(run for phase in self.phases for run in phase.runs)

    @property
    def gate_of(self) -> tuple[int, ...]:
        """Return of every slot the gate whose recurrent product and bias it takes, -1: none."""
        gates = {run.slot + n: run.gate + n for run in self.runs for n in range(run.count)}
        return tuple(gates.get(slot, -1) for slot in range(self.slots))


def _cell(name: str, forward: tuple[Callable[..., Any], ...], backward: Any, total_dc: Any = None) -> Cell:
    """Return the cell of this name with its formulas, those of forward one for each phase."""
    shape = problem.CELLS[name]
    firsts = accumulate(map(len, shape.phases), initial=0)
    phases = tuple(Phase(*each) for each in zip(forward, firsts, shape.phases, strict=False))
    return Cell(name, shape.slots, len(shape.gates), len(shape.states), phases, backward, total_dc)


def _rnn(name: str, activation: Any, derivative: Any) -> Cell:
    forward, backward = cells.elman(activation, derivative)
    return _cell(name, (forward,), backward)


CELLS = {
    "rnn_tanh": _rnn("rnn_tanh", rnn.tanh_forward, rnn.tanh_backward),
    "rnn_relu": _rnn("rnn_relu", rnn.relu_forward, rnn.relu_backward),
    "rnn_linear": _rnn("rnn_linear", rnn.linear_forward, rnn.linear_backward),
    "lstm": _cell("lstm", (cells.lstm_forward,), cells.lstm_backward, cells.lstm_total_dc),
    "gru": _cell("gru", (cells.gru_forward,), cells.gru_backward),
    "gru_before": _cell("gru_before", (cells.gru_before_gates, cells.gru_before_forward), cells.gru_before_backward),
}
"""Every cell by name."""
