"""One layer and direction on a device: products over all entries, and the time loops between them."""

from __future__ import annotations

import copy
from typing import Any

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda import loops
from rnnfast.backends.cuda.plan import Plan
from rnnfast.backends.cuda.product import Matrix, matrix, multiply
from rnnfast.backends.cuda.rows import bias_kernel, operand_kernel, pick
from rnnfast.backends.cuda.shapes import CELLS
from rnnfast.backends.cuda.tiers import choose
from rnnfast.backends.cuda.work import Work
from rnnfast.backends.reference.cells import Weights
from rnnfast.problem import Array


class Layer:
    """A layer and direction in one call: what forward leaves is what backward needs."""

    x_mask: Any = None
    """(n, I): factors of dropout on the input."""
    is_on_x: bool = False
    """Whether its input is the caller's x itself."""

    def __init__(self, work: Work, name: str, weights: Weights, plan: Plan, mask: Any) -> None:
        """`mask` (B, H): factors of recurrent dropout, on the device, or None."""
        self.work, self.cell, self.plan = work, CELLS[name], plan
        self.size, self.dtype, self.count = weights.hh.shape[1], weights.hh.dtype, len(plan.rows)
        self.batch = plan.live.shape[1]
        self.tier = choose(work.limits, self.cell, self.size, self.dtype.itemsize, self.batch)
        self.ih, self.hh = work.array(weights.ih), work.array(weights.hh)
        self.biases = [self.empty(0).reshape(-1) if b is None else work.array(b) for b in (weights.b_ih, weights.b_hh)]
        self.mask = self.empty(0) if mask is None else mask
        self.device_plan = plan.bounds_on(work, self.tier.groups), plan.on(work, "rows"), plan.on(work, "previous")

    def twin(self, work: Work) -> Layer:
        """One that backward can consume: it changes nothing but the gates."""
        twin = copy.copy(self)
        twin.work, twin.state = work, (work.copy(self.state[0]), *self.state[1:])
        return twin

    def empty(self, rows: int) -> Any:
        """A new (rows, H) array on the device."""
        return self.work.empty((rows, self.size), self.dtype)

    def forward(self, x: Any, first: Any, first_c: Any) -> None:
        """From x (n, I) and the first states; no c has no rows."""
        width, inputs = self.cell.slots * self.size, self.cell.inputs * self.size
        self.x, gates = x, self.work.empty((self.count, width), self.dtype)
        gate_of = self.work.constant(self.cell.gate_of)
        biases = *self.biases, self.cell.inputs, gate_of, self.size
        self.work.launch_over(self.count * width, bias_kernel, (), *biases, gates)
        multiply(self.work, matrix(x), matrix(self.ih).turned, matrix(gates), self.count, inputs, x.shape[1])
        operand = self.empty(self.count if len(self.cell.phases) > 1 else 0)
        h = self.empty(self.count)
        c = self.empty(self.count if self.cell.states > 1 else 0)
        self.state = (gates, first, first_c, self.mask, operand, c, h)
        loops.forward(self)

    def final(self, n: int, wanted: Array | DeviceArray | None) -> None:
        """Write the state after all steps, h or for n = 1 c, where it is wanted (B, H)."""
        if wanted is None:
            return
        _, first, first_c, _, _, c, h = self.state
        on_device = isinstance(wanted, DeviceArray)
        to = self.work.array(wanted) if on_device else self.empty(self.batch)
        plan = self.device_plan[0], self.plan.on(self.work, "everyone"), self.plan.on(self.work, "last")
        table = (first_c, c, self.empty(0)) if n else (first, h, self.empty(0))
        self.work.launch_over(self.batch * self.size, operand_kernel, (), 0, plan, table, to)
        if not on_device:
            self.work.put(to, wanted, add=False)

    def operands(self, start: int, stop: int) -> Any:
        """h as it enters the first product of entries [start, stop)."""
        to, table = self.empty(stop - start), (self.state[1], self.state[6], self.mask)
        self.work.launch_over((stop - start) * self.size, operand_kernel, (), start, self.device_plan, table, to)
        return to

    def backward(self, dy: Any, dh: Any, dc: Any, *, found: bool) -> None:
        """The final states' gradients become those of the first ones, gates those of pre-activations.

        `found`: keep dL/dh' and dL/dc' of every entry.
        """
        two = self.cell.states > 1
        through = self.empty(self.batch if len(self.cell.phases) > 1 else 0)
        self.found = self.empty(self.count if found else 0), self.empty(self.count if found and two else 0)
        loops.backward(self, dy, (dh, dc, through, *self.found))

    def input_gradient(self) -> Any:
        """dL/dx (n, I)."""
        columns = self.ih.shape[1]
        dx = self.work.zeros((self.count, columns), self.dtype)
        inputs = self.cell.inputs * self.size
        multiply(self.work, matrix(self.state[0]), matrix(self.ih), matrix(dx), self.count, columns, inputs)
        return dx

    def weight_gradients(self) -> tuple[Any, Any, Any, Any]:
        """Those of W_ih, W_hh, b_ih and b_hh."""
        work, gates, operand, size = self.work, self.state[0], self.state[4], self.size
        d_ih, d_hh = (work.zeros(w.shape, self.dtype) for w in (self.ih, self.hh))
        sums, h_in = work.zeros((1, gates.shape[1]), self.dtype), self.operands(0, self.count)
        one = Matrix(work.constant((1.0,), self.dtype), 0, 0, 0)
        inputs, columns = self.cell.inputs * size, self.ih.shape[1]
        multiply(work, matrix(gates).turned, matrix(self.x), matrix(d_ih), inputs, columns, self.count)
        for gate, count, slot in self.cell.runs:
            right = operand if operand.shape[0] and gate == self.cell.phases[-1].first else h_in
            to = Matrix(d_hh.reshape(-1), gate * size * size, size, 1)
            multiply(work, matrix(gates, slot * size).turned, matrix(right), to, count * size, size, self.count)
        multiply(work, one, matrix(gates), matrix(sums), 1, gates.shape[1], self.count)
        slots = tuple(self.cell.gate_of.index(gate) for gate in range(self.hh.shape[0] // size))
        d_b_hh = self.empty(len(slots))
        pick(work, sums.reshape(-1, size), work.constant(slots), d_b_hh)
        return d_ih, d_hh, sums.reshape(-1)[:inputs], d_b_hh.reshape(-1)
