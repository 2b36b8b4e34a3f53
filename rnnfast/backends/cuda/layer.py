"""One layer and direction on a device, prepared for calls: products over all entries, the time loops between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda import loops
from rnnfast.backends.cuda.biases import blocks_of, parts_of, write_bias_gradients
from rnnfast.backends.cuda.counted import times
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.dropout import write_input_factors, write_recurrent_factors
from rnnfast.backends.cuda.ends import Ends, Shown
from rnnfast.backends.cuda.layer_shape import LayerShape
from rnnfast.backends.cuda.matrix import Matrix, matrix
from rnnfast.backends.cuda.passes import Pass, Places
from rnnfast.backends.cuda.product import multiply
from rnnfast.backends.cuda.rows import bias_kernel, operand_kernel, pick, rows_of, scale_kernel, table
from rnnfast.backends.cuda.step_loops import scratch
from rnnfast.backends.cuda.workspace import Workspace
from rnnfast.problem import Problem


class BackwardPlaces(NamedTuple):
    """Where a layer's arrays of backward begin in its workspace; None: it has no such array."""

    dh: int
    dc: int | None
    through: int | None
    """(B, H) each, see gradients.py."""
    found: int | None
    found_c: int | None
    """(n, H), see gradients.py."""
    held: int | None
    """(n, H): what of dL/dh' comes by way of an output that is held."""
    dx: int
    """(n, I)."""
    h_in: int | None
    """(n, H): h as it entered the first product, where no array has that already."""
    partial: int
    """Partial sums of the biases' gradients."""
    scratch: int
    """Numbers that a step of tier C works on."""
    counters: int
    """Zeros at first, for blocks that wait for one another, then those of the biases' gradients."""


class Layer(LayerShape):
    """Layer-direction k of a net, prepared for calls."""

    def take(self, space: Workspace, gates: int, count: int) -> Places:
        """Take room for a forward pass of so many entries; `gates` is taken already."""
        table_size = count * self.size
        return Places(
            gates,
            space.take(table_size),
            space.take(table_size) if self.cell.states > 1 else None,
            space.take(table_size) if len(self.cell.phases) > 1 else None,
            space.take(self.batch * self.size) if self.has_mask else None,
            space.take(count * self.columns) if self.has_input_dropout else None,
            space.take(count * self.columns),
            space.take(scratch(self)),
        )

    def forward(
        self, call: DeviceCall, problem: Problem, p: Pass, x: DeviceArray, shown: Shown, final: Sequence[int],
        counters: int,
    ) -> None:  # fmt: skip
        """Run all steps on x (T, B, I); write what is shown and the final states h and c, addresses or 0."""
        weights, count = p.weights, p.count
        self._read_input(call, problem, p, x)
        if p.places.mask is not None:
            write_recurrent_factors(call, problem, self.k, p.at(p.places.mask))
        gates = p.gates(self.width)
        b_ih, b_hh = (0 if b is None else b.address for b in (weights.b_ih, weights.b_hh))
        shape = self.cell.inputs, self.gate_of.address, self.cell.slots, self.size, count
        call.launch_over(times(count, self.width), bias_kernel, (call.real,), b_ih, b_hh, *shape, gates.address)
        multiply(call, p.x, matrix(weights.ih).turned, gates, count, self.inputs, self.columns, add=True)
        loops.forward(call, self, p, shown, final, counters)

    def _read_input(self, call: DeviceCall, problem: Problem, p: Pass, x: DeviceArray) -> None:
        """Let the pass see its input: x itself, where that is no different."""
        places, count, columns = p.places, p.count, self.columns
        if x.is_dense and p.plan.is_all and places.x_mask is None:
            p.x, p.is_on_x = Matrix(x, 0, columns, 1), True
            return
        p.x, index = p.matrix(places.rows, columns), p.plan.on(call, "positions")
        pick(call, rows_of(x), index, count, table(p.x.address, count, columns), columns)
        if places.x_mask is not None:
            factors = p.at(places.x_mask)
            write_input_factors(call, problem, self.k, index, count, factors)
            numbers = times(count, columns)
            call.launch_over(numbers, scale_kernel, (call.real,), p.x.address, factors, numbers)

    def take_backward(
        self, call: DeviceCall, space: Workspace, count: int, counters: int, held: bool, norms: bool
    ) -> BackwardPlaces:
        """Take room for a backward pass of so many entries, but for `counters`."""
        cell, entry, row = self.cell, count * self.size, self.batch * self.size
        return BackwardPlaces(
            space.take(row),
            space.take(row) if cell.states > 1 else None,
            space.take(row) if len(cell.phases) > 1 else None,
            space.take(entry) if norms else None,
            space.take(entry) if norms and cell.states > 1 else None,
            space.take(entry) if held else None,
            space.take(count * self.columns),
            space.take(entry),
            space.take(parts_of(count) * self.width),
            space.take(scratch(self)),
            counters,
        )

    def all_counters(self, call: DeviceCall) -> int:
        """The numbers that hold the counters of a backward pass."""
        return self.counters + -(-4 * blocks_of(call, self.width) // self.dtype.itemsize)

    def backward(self, call: DeviceCall, p: Pass, d_shown: Shown, held: int, ends: Ends, counters: int) -> None:
        """Make gates the gradients of their pre-activations, and ends.dh and .dc those of the first states."""
        loops.backward(call, self, p, d_shown, held, ends, counters)

    def input_gradient(self, call: DeviceCall, p: Pass, to: Matrix) -> None:
        """Write dL/dx (n, I), before dropout on x."""
        multiply(call, p.gates(self.width), matrix(p.weights.ih), to, p.count, self.columns, self.inputs)
        if p.places.x_mask is not None:
            numbers = times(p.count, self.columns)
            call.launch_over(numbers, scale_kernel, (call.real,), to.address, p.at(p.places.x_mask), numbers)

    def weight_gradients(self, call: DeviceCall, p: Pass, d_ih: Matrix, d_hh: Matrix, h_in: Matrix, add: bool) -> None:
        """Write or add the gradients of the weights; h_in (n, H) is room."""
        size, count = self.size, p.count
        multiply(call, p.gates(self.width).turned, p.x, d_ih, self.inputs, self.columns, count, add=add)
        cell, places = self.cell, p.places
        simple = p.plan.kept and places.mask is None
        if not simple:
            self._operands(call, p, h_in.address)
        for phase in cell.phases:
            for run in phase.runs:
                to, rows = d_hh.below(run.gate * size), run.count * size
                left = p.gates(self.width, run.slot * size)
                if phase is not cell.phases[0]:
                    assert places.operand is not None
                    multiply(call, left.turned, p.matrix(places.operand, size), to, rows, size, count, add=add)
                elif simple:
                    self._of_states_before(call, p, left, to, rows, add)
                else:
                    multiply(call, left.turned, h_in, to, rows, size, count, add=add)

    def _of_states_before(self, call: DeviceCall, p: Pass, left: Matrix, to: Matrix, rows: int, add: bool) -> None:
        """Write or add the product of gates with the states before them, where each is that of the entry B before."""
        batch, size = self.batch, self.size
        later = max(0, p.count - batch)
        multiply(call, left.below(batch).turned, p.matrix(p.places.h, size), to, rows, size, later, add=add)
        first = p.first_h()
        if first is not None and p.count:
            multiply(call, left.turned, first, to, rows, size, batch, add=True)

    def _operands(self, call: DeviceCall, p: Pass, to: int) -> None:
        """Write h as it enters the first product of all entries, (n, H)."""
        plan, (_, h0, _, mask, _, _, h), count = p.plan, p.state, p.count
        where = 0, count, plan.on(call, "rows"), plan.on(call, "previous"), count, count
        call.launch_over(times(count, self.size), operand_kernel, (call.real,), *where, *self.sizes, h0, h, mask, to)

    def bias_gradients(self, call: DeviceCall, p: Pass, places: Any, at: Any, d_ih: int, d_hh: int, add: bool) -> None:
        """Write or add the gradients of the biases; `at` tells addresses of places of backward."""
        gates, shape = p.gates(self.width).address, (self.cell.slots, self.size, self.cell.inputs, self.gate_of.address)
        counters = at(places.counters + self.counters)
        write_bias_gradients(call, gates, p.count, *shape, at(places.partial), counters, d_ih, d_hh, add)
