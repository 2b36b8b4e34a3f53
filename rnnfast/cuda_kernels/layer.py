"""One layer and direction on a device: products over all entries, and the time loops between them."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from rnnfast.backends.reference_cells import Weights
from rnnfast.cuda_kernels import loops
from rnnfast.cuda_kernels.device import launch_over, zeros
from rnnfast.cuda_kernels.plan import Plan
from rnnfast.cuda_kernels.product import Matrix, matrix, multiply
from rnnfast.cuda_kernels.rows import fill_kernel, operand_kernel
from rnnfast.cuda_kernels.shapes import CELLS
from rnnfast.cuda_kernels.tiers import choose
from rnnfast.problem import Array


class Layer:
    """A layer and direction in one call: what forward leaves is what backward needs."""

    x_mask: Any = None
    """(n, I): factors of dropout on the input."""

    def __init__(self, device: Any, name: str, weights: Weights, plan: Plan, mask: Array | None) -> None:
        self.device, self.cell, self.plan = device, CELLS[name], plan
        self.size, self.dtype, self.count = weights.hh.shape[1], weights.hh.dtype, len(plan.rows)
        self.batch = plan.live.shape[1]
        self.tier = choose(device.limits, self.cell, self.size, self.dtype.itemsize, self.batch)
        self.initial = self.biases(weights)
        self.ih, self.hh = device.array(weights.ih), device.array(weights.hh)
        self.mask = self.empty(0) if mask is None else device.array(mask)
        bounds = plan.bounds(self.tier.groups)
        self.ranges = bounds[:, [0, -1]]
        self.device_plan = tuple(device.array(a) for a in (bounds, plan.rows, plan.previous))

    def __deepcopy__(self, memo: dict[int, Any]) -> Layer:
        twin = copy.copy(self)  # backward changes nothing but the gates
        twin.state = (self.device.copy(self.state[0]), *self.state[1:])
        return twin

    def empty(self, rows: int) -> Any:
        """A new (rows, H) array on the device."""
        return self.device.empty((rows, self.size), self.dtype)

    def biases(self, weights: Weights) -> Array:
        """What a row of gates begins as."""
        row = np.zeros((self.cell.slots, self.size), self.dtype)
        if weights.b_ih is not None and weights.b_hh is not None:
            row[: self.cell.inputs] = weights.b_ih.reshape(-1, self.size)
            recurrent = weights.b_hh.reshape(-1, self.size)
            for gate, count, slot in self.cell.runs:
                row[slot : slot + count] += recurrent[gate : gate + count]
        return row.reshape(-1)

    def forward(self, x: Any, h0: Array, c0: Array) -> tuple[Any, Any]:
        """The final states (B, H) from x (n, I) and the first ones."""
        width = self.cell.slots * self.size
        self.x, gates = x, self.device.empty((self.count, width), self.dtype)
        launch_over(self.device, self.count * width, fill_kernel, (), self.device.array(self.initial), gates)
        inputs = self.cell.inputs * self.size
        multiply(self.device, matrix(x), matrix(self.ih).turned, matrix(gates), self.count, inputs, x.shape[1])
        two, operand = self.cell.states > 1, self.empty(self.count if len(self.cell.phases) > 1 else 0)
        h, c = self.empty(self.count), self.empty(self.count if two else 0)
        first, first_c = self.device.array(h0), self.device.array(c0 if two else c0[:0])
        self.state = (gates, first, first_c, self.mask, operand, c, h)
        loops.forward(self)
        return self.final(first, h), self.final(first_c, c) if two else None

    def final(self, first: Any, after: Any) -> Any:
        """A state after all steps."""
        to, nobody = self.empty(self.batch), self.empty(0)
        plan = (self.device_plan[0], *map(self.device.array, (np.arange(self.batch, dtype=np.int32), self.plan.last)))
        launch_over(self.device, self.batch * self.size, operand_kernel, (), 0, plan, (first, after, nobody), to)
        return to

    def operands(self, start: int, stop: int) -> Any:
        """h as it enters the first product of entries [start, stop)."""
        to, table = self.empty(stop - start), (self.state[1], self.state[6], self.mask)
        launch_over(self.device, (stop - start) * self.size, operand_kernel, (), start, self.device_plan, table, to)
        return to

    def backward(self, dy: Any, dh: Array, dc: Array, *, found: bool) -> tuple[Any, Any]:
        """The first states' gradients from the final ones'; gates become gradients. `found`: keep dL/dh', dL/dc'."""
        two = self.cell.states > 1
        grads = [self.device.array(a) for a in (dh, dc if two else dc[:0])]
        through = self.empty(self.batch if len(self.cell.phases) > 1 else 0)
        self.found = self.empty(self.count if found else 0), self.empty(self.count if found and two else 0)
        loops.backward(self, dy, (*grads, through, *self.found))
        return grads[0], grads[1]

    def input_gradient(self) -> Any:
        """dL/dx (n, I)."""
        columns = self.ih.shape[1]
        dx = zeros(self.device, (self.count, columns), self.dtype)
        inputs = self.cell.inputs * self.size
        multiply(self.device, matrix(self.state[0]), matrix(self.ih), matrix(dx), self.count, columns, inputs)
        return dx

    def weight_gradients(self) -> tuple[Array, Array, Array, Array]:
        """Those of W_ih, W_hh, b_ih and b_hh, on the host."""
        gates, operand, size = self.state[0], self.state[4], self.size
        d_ih, d_hh = (zeros(self.device, w.shape, self.dtype) for w in (self.ih, self.hh))
        sums, h_in = zeros(self.device, (1, gates.shape[1]), self.dtype), self.operands(0, self.count)
        one = Matrix(self.device.array(np.ones(1, self.dtype)), 0, 0, 0)
        inputs, columns = self.cell.inputs * size, self.ih.shape[1]
        multiply(self.device, matrix(gates).turned, matrix(self.x), matrix(d_ih), inputs, columns, self.count)
        for gate, count, slot in self.cell.runs:
            right = operand if operand.shape[0] and gate == self.cell.phases[-1].first else h_in
            to = Matrix(d_hh.reshape(-1), gate * size * size, size, 1)
            multiply(self.device, matrix(gates, slot * size).turned, matrix(right), to, count * size, size, self.count)
        multiply(self.device, one, matrix(gates), matrix(sums), 1, gates.shape[1], self.count)
        row = self.device.host(sums).reshape(self.cell.slots, size)
        d_b_hh = np.zeros((self.hh.shape[0] // size, size), self.dtype)
        for gate, count, slot in self.cell.runs:
            d_b_hh[gate : gate + count] = row[slot : slot + count]
        host = self.device.host
        return host(d_ih), host(d_hh), row[: self.cell.inputs].reshape(-1), d_b_hh.reshape(-1)
