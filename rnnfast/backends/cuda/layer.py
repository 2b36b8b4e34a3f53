"""One layer and direction on a device: products over all entries, and the time loops between them."""

from __future__ import annotations

import copy
from dataclasses import replace

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.common.weights import Weights
from rnnfast.backends.cuda import loops
from rnnfast.backends.cuda.copies import copied
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.loops import Recurrence
from rnnfast.backends.cuda.matrix import Matrix, matrix
from rnnfast.backends.cuda.plan import Plan
from rnnfast.backends.cuda.product import multiply
from rnnfast.backends.cuda.rows import bias_kernel, operand_kernel, pick
from rnnfast.backends.cuda.shapes import Cell
from rnnfast.backends.cuda.tiers import choose


class Layer:
    """A layer and direction in one call: what forward leaves is what backward needs."""

    recurrence: Recurrence
    x: DeviceArray
    """Its input (n, I), under dropout."""
    x_mask: DeviceArray | None = None
    """(n, I): factors of dropout on the input."""
    is_on_x: bool = False
    """Whether its input is the caller's x itself."""
    found: tuple[DeviceArray, DeviceArray]
    """After a backward that was asked for it, dL/dh' and dL/dc' (n, H) of every entry."""

    def __init__(self, call: DeviceCall, cell: Cell, weights: Weights, plan: Plan) -> None:
        """`weights`: on the device."""
        self.call, self.cell, self.weights, self.plan = call, cell, weights, plan
        self.size, self.dtype, self.count = weights.hh.shape[1], weights.hh.dtype, len(plan.rows)
        self.batch = plan.live.shape[1]
        self.tier = choose(call.limits, cell, self.size, self.dtype.itemsize, self.batch)

    def twin(self, call: DeviceCall) -> Layer:
        """Return a layer that backward can consume in this one's place: it changes nothing but the gates."""
        twin, state = copy.copy(self), self.recurrence.state
        twin.call = call
        twin.recurrence = replace(self.recurrence, call=call, state=(copied(call, state[0]), *state[1:]))
        return twin

    def continue_on(self, call: DeviceCall) -> None:
        """Go on with another call's stream."""
        self.call = self.recurrence.call = call

    def empty(self, rows: int) -> DeviceArray:
        """Return a new (rows, H) array on the device, or where there are no rows the one that all share."""
        if rows == 0:
            return self.call.device.nothing(self.size, self.dtype)
        return self.call.empty((rows, self.size), self.dtype)

    def forward(self, x: DeviceArray, start: tuple[DeviceArray, DeviceArray], mask: DeviceArray | None) -> None:
        """Run all steps from x (n, I) and the first states h and c (B, H); a c that is none has no rows.

        `mask` (B, H): factors of recurrent dropout.
        """
        call, width, inputs = self.call, self.cell.slots * self.size, self.cell.inputs * self.size
        self.x, gates = x, call.empty((self.count, width), self.dtype)
        b_ih, b_hh = (call.constant((), self.dtype) if b is None else b for b in self.weights[2:])
        gate_of = call.constant(self.cell.gate_of)
        kernel_inputs = b_ih, b_hh, self.cell.inputs, gate_of, self.size
        call.launch_over(self.count * width, bias_kernel, (), *kernel_inputs, gates)
        weights = matrix(self.weights.ih).turned
        multiply(call, matrix(x), weights, matrix(gates), self.count, inputs, x.shape[1])
        operand = self.empty(self.count if len(self.cell.phases) > 1 else 0)
        h, c = self.empty(self.count), self.empty(self.count if self.cell.states > 1 else 0)
        state = (gates, *start, self.empty(0) if mask is None else mask, operand, c, h)
        self.recurrence = Recurrence(call, self.cell, self.tier, self.plan, self.weights.hh, state)
        loops.forward(self.recurrence)

    def final(self, n: int, to: DeviceArray) -> None:
        """Write the state after all steps, h or for n = 1 c, to (B, H)."""
        _, first, first_c, _, _, c, h = self.recurrence.state
        call, plan = self.call, self.plan
        arrays = plan.bounds_on(call, self.tier.groups), plan.on(call, "everyone"), plan.on(call, "last")
        table = (first_c, c, self.empty(0)) if n else (first, h, self.empty(0))
        call.launch_over(self.batch * self.size, operand_kernel, (), 0, arrays, table, to)

    def backward(self, dy: DeviceArray, dh: DeviceArray, dc: DeviceArray, *, find: bool) -> None:
        """Make the final states' gradients those of the first ones, and gates those of pre-activations.

        dy (n, H) is dL/dh' by way of y. `find`: keep dL/dh' and dL/dc' of every entry in `found`.
        """
        two = self.cell.states > 1
        through = self.empty(self.batch if len(self.cell.phases) > 1 else 0)
        self.found = self.empty(self.count if find else 0), self.empty(self.count if find and two else 0)
        loops.backward(self.recurrence, dy, (dh, dc, through, *self.found))

    def input_gradient(self) -> DeviceArray:
        """Return dL/dx (n, I)."""
        weight, gates = self.weights.ih, self.recurrence.state[0]
        columns, inputs = weight.shape[1], self.cell.inputs * self.size
        dx = self.call.zeros((self.count, columns), self.dtype)
        multiply(self.call, matrix(gates), matrix(weight), matrix(dx), self.count, columns, inputs)
        return dx

    def weight_gradients(self) -> Weights:
        """Return the gradients of the parameters, as the caller's net may have them: with biases or without."""
        call, gates, operand, size = self.call, self.recurrence.state[0], self.recurrence.state[4], self.size
        d_ih, d_hh = (call.zeros(w.shape, self.dtype) for w in self.weights[:2])
        h_in, inputs, columns = self.recurrence.operands(0, self.count), self.cell.inputs * size, d_ih.shape[1]
        multiply(call, matrix(gates).turned, matrix(self.x), matrix(d_ih), inputs, columns, self.count)
        for phase in self.cell.phases:
            right = matrix(h_in if phase is self.cell.phases[0] else operand)
            for run in phase.runs:
                left = matrix(gates, run.slot * size).turned
                to = Matrix(d_hh.reshape(-1), run.gate * size * size, size, 1)
                multiply(call, left, right, to, run.count * size, size, self.count)
        if self.weights.b_ih is None:
            return Weights(d_ih, d_hh, None, None)
        return Weights(d_ih, d_hh, *self._bias_gradients(gates))

    def _bias_gradients(self, gates: DeviceArray) -> tuple[DeviceArray, DeviceArray]:
        call, size = self.call, self.size
        one, sums = call.constant((1.0,), self.dtype), call.zeros((1, gates.shape[1]), self.dtype)
        multiply(call, Matrix(one, 0, 0, 0), matrix(gates), matrix(sums), 1, gates.shape[1], self.count)
        slots = tuple(self.cell.gate_of.index(gate) for gate in range(self.cell.inputs))
        d_b_hh = self.empty(len(slots))
        pick(call, sums.reshape(-1, size), call.constant(slots), d_b_hh)
        return sums.reshape(-1)[: self.cell.inputs * size], d_b_hh.reshape(-1)
