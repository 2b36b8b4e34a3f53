"""The time loops of one layer and direction on whichever tier was chosen for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda.backward import backward_kernel
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.forward import forward_kernel
from rnnfast.backends.cuda.matrix import Matrix, matrix
from rnnfast.backends.cuda.plan import Plan
from rnnfast.backends.cuda.product import multiply
from rnnfast.backends.cuda.rows import operand_kernel
from rnnfast.backends.cuda.shapes import Cell, Phase
from rnnfast.backends.cuda.steps import begin_step_kernel, end_step_kernel, forward_step_kernel
from rnnfast.backends.cuda.tiers import Tier


@dataclass
class Recurrence:
    """W_hh, and what a layer keeps of all its entries between the products over them: what its time loops work on."""

    call: DeviceCall
    cell: Cell
    tier: Tier
    plan: Plan
    weight: DeviceArray
    """W_hh (G H, H)."""
    state: tuple[DeviceArray, ...]
    """See cells.py."""

    @property
    def size(self) -> int:
        """The number of hidden units."""
        return self.weight.shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of all its numbers."""
        return self.weight.dtype

    @property
    def real(self) -> Any:
        """The same as kernels name it."""
        return self.dtype.type

    @property
    def plan_arrays(self) -> tuple[DeviceArray, ...]:
        """The plan as kernels take it: where entries begin, their rows, the entries before them."""
        call, plan = self.call, self.plan
        return plan.bounds_on(call, self.tier.groups), plan.on(call, "rows"), plan.on(call, "previous")

    def operands(self, start: int, stop: int) -> DeviceArray:
        """Return h as it enters the first product of entries [start, stop)."""
        to = self.call.empty((stop - start, self.size), self.dtype)
        table = (self.state[1], self.state[6], self.state[3])
        self.call.launch_over((stop - start) * self.size, operand_kernel, (), start, self.plan_arrays, table, to)
        return to

    def weights(self, gate: int) -> Matrix:
        """Return the rows of W_hh from a gate's first on."""
        return Matrix(self.weight.reshape(-1), gate * self.size * self.size, self.size, 1)


def forward(r: Recurrence) -> None:
    """Fill gates, r h, c and h of the state."""
    if r.tier.block is None:
        weights = [r.weights(phase.first).turned for phase in r.cell.phases]
        for start, stop in _visits(r):
            for phase, right in zip(r.cell.phases, weights, strict=True):
                _forward_step(r, phase, right, start, stop)
        return
    kernel = r.call.device.kernel(forward_kernel, r.real, r.cell, r.tier.block, r.tier.block.depth(r.size))
    _launch(r, kernel, r.state)


def backward(r: Recurrence, dy: DeviceArray, grads: tuple[DeviceArray, ...]) -> None:
    """Make gates the gradients of their pre-activations, dh and dc those of the first states; grads: gradients.py."""
    if r.tier.block is None:
        for start, stop in reversed(_visits(r)):
            _backward_step(r, start, stop, dy, grads)
        return
    phases = r.cell.phases
    depths = [r.tier.block.depth(phase.count * r.size) for phase in (phases[0], phases[-1])]
    kernel = r.call.device.kernel(backward_kernel, r.real, r.cell, r.tier.block, *depths)
    _launch(r, kernel, r.state, dy, grads)


def _launch(r: Recurrence, kernel: Any, *arguments: Any) -> None:
    tier = r.tier
    assert tier.block is not None
    counters = r.call.zeros((tier.groups,), np.int32)
    blocks, plan = tier.groups * tier.members, r.plan_arrays
    r.call.launch(kernel, blocks, tier.block.threads, plan, r.weight, *arguments, counters, tier.members)


def _visits(r: Recurrence) -> list[tuple[int, int]]:
    """Return where the entries of each visit that has any begin and end."""
    return [(int(start), int(stop)) for start, stop in r.plan.bounds(1) if start < stop]


def _forward_step(r: Recurrence, phase: Phase, weights: Matrix, start: int, stop: int) -> None:
    count, width = stop - start, phase.count * r.size
    sums = r.call.zeros((count * width,), r.dtype)
    second = phase is not r.cell.phases[0]
    left = matrix(r.state[4][start:stop] if second else r.operands(start, stop))
    multiply(r.call, left, weights, Matrix(sums, 0, width, 1), count, width, r.size)
    numbers, plan = count * r.size, r.plan_arrays
    r.call.launch_over(numbers, forward_step_kernel, (phase,), start, count, plan, r.state, sums)


def _backward_step(r: Recurrence, start: int, stop: int, dy: DeviceArray, grads: tuple[DeviceArray, ...]) -> None:
    count, size, call, cell = stop - start, r.size, r.call, r.cell
    numbers, plan, state = count * size, r.plan_arrays, r.state
    call.launch_over(numbers, begin_step_kernel, (cell,), start, count, plan, state, dy, grads)
    for phase in reversed(cell.phases):
        sums = call.zeros((numbers,), r.dtype)
        for run in phase.runs:
            left = matrix(state[0][start:stop], run.slot * size)
            multiply(call, left, r.weights(run.gate), Matrix(sums, 0, size, 1), count, size, run.count * size)
        call.launch_over(numbers, end_step_kernel, (cell, phase), start, count, plan, state, grads, sums)
