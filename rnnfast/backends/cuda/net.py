"""A whole net on a device: layer after layer, direction after direction."""

from __future__ import annotations

import copy
from typing import Any

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.common.weights import Weights
from rnnfast.backends.contract import BackwardArrays, ForwardArrays
from rnnfast.backends.cuda import readings, sequences, states
from rnnfast.backends.cuda.copies import put
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.dropout import input_factors, recurrent_factors
from rnnfast.backends.cuda.layer import Layer
from rnnfast.backends.cuda.plan import make_plan, plan_for
from rnnfast.backends.cuda.rows import pick
from rnnfast.backends.cuda.shapes import CELLS
from rnnfast.problem import Problem


class Net:
    """One call: its layers, by layer and direction, and the plans that all layers share.

    Arrays come time first. What forward leaves is what backward needs.
    """

    def __init__(self, call: DeviceCall, problem: Problem, weights: list[Weights]) -> None:
        """`problem` has the call's lengths, mask, resets and dropout seed; weights are on the device."""
        self.call, self.problem = call, problem
        directions = [problem.direction(d) for d in range(problem.num_directions)]
        self.plans = [plan_for(call, problem, direction) for direction in directions]
        held = problem.masked_output == "hold" and not all(plan.live.all() for plan in self.plans)
        top_plans = [make_plan(problem, d, hold=True) for d in directions] if held else self.plans
        below = problem.num_layers - 1
        plans = [*self.plans * below, *top_plans]
        self.layers = [Layer(call, CELLS[problem.cell], *each) for each in zip(weights, plans, strict=True)]

    def __deepcopy__(self, memo: dict[int, Any]) -> Net:
        twin = copy.copy(self)
        with self.call.device.current():
            twin.call = self.call.again()
            twin.layers = [layer.twin(twin.call) for layer in self.layers]
        return twin

    def continue_on(self, call: DeviceCall, arrays: BackwardArrays) -> None:
        """Go on with another call's stream, and where x and first states lie now: out of the way of results."""
        self.call, x = call, arrays.x
        for k, layer in enumerate(self.layers):
            layer.continue_on(call)
            states.move_start(layer, arrays.start, k)
            if layer.is_on_x and isinstance(x, DeviceArray):
                layer.x = sequences.entries(call, x, layer)

    def forward(self, arrays: ForwardArrays) -> None:
        """Write y and the final states."""
        call, problem = self.call, self.problem
        x: DeviceArray = call.array(arrays.x)
        start = [None if a is None else call.array(a) for a in arrays.start]
        for number in range(problem.num_layers):
            wanted = arrays.y if number == problem.num_layers - 1 else None
            y = sequences.target(call, wanted, problem, problem.num_directions * problem.hidden_size)
            for direction in range(problem.num_directions):
                k = number * problem.num_directions + direction
                layer = self.layers[k]
                layer.x_mask = input_factors(call, problem, k, layer.plan)
                rows = sequences.entries(call, x, layer)
                layer.is_on_x = number == 0 and isinstance(arrays.x, DeviceArray) and rows.owner is x.owner
                layer.forward(rows, states.of_layer(call, problem, start, k), recurrent_factors(call, problem, k))
                h, shown = layer.recurrence.state[6], layer.plan.on(call, "shown")
                pick(call, h, shown, y, column=direction * layer.size, width=layer.size)
                states.write_final(layer, [None if final is None else final[k] for final in arrays.final])
            x = y
        if not isinstance(arrays.y, DeviceArray):
            put(call, x, arrays.y, add=False)

    def backward(self, arrays: BackwardArrays, *, overwrite: bool) -> None:
        """Write the gradients that are wanted."""
        call, problem = self.call, self.problem
        width = problem.num_directions * problem.hidden_size
        shape = (problem.steps, problem.batch, width)
        dy = call.zeros(shape, problem.dtype) if arrays.dy is None else call.array(arrays.dy)
        for number in reversed(range(problem.num_layers)):
            wanted = number > 0 or arrays.dx is not None
            columns = (width if number else problem.input_size) if wanted else 0
            dx = sequences.target(call, None if number else arrays.dx, problem, columns)
            for direction in range(problem.num_directions):
                k = number * problem.num_directions + direction
                self._layer_backward(k, dy, arrays, overwrite=overwrite)
                if wanted:
                    d, shown = sequences.input_gradient(self.layers[k]), self.plans[direction].on(call, "shown")
                    pick(call, d, shown, dx, add=direction > 0)
            dy = dx
        if arrays.dx is not None and not isinstance(arrays.dx, DeviceArray):
            put(call, dy, arrays.dx, add=problem.only_direction == 2)

    def _layer_backward(self, k: int, dy: DeviceArray, arrays: BackwardArrays, *, overwrite: bool) -> None:
        """Write all of one layer-direction's gradients but its input's."""
        layer, call, problem = self.layers[k], self.call, self.problem
        d = sequences.output_gradient(layer, dy, problem, k)
        given = [None if a is None else call.array(a[k]) for a in arrays.d_final]
        d_states = states.final_gradients(layer, states.of_layer(call, problem, given))
        layer.backward(d, *d_states, find=arrays.norms is not None)
        if arrays.d_parameters is not None:
            found = [gradient for gradient in layer.weight_gradients() if gradient is not None]
            wanted = arrays.d_parameters[k * len(found) : (k + 1) * len(found)]
            for to, gradient in zip(wanted, found, strict=True):
                put(call, gradient, to, add=not overwrite)
        for d_start, d_state in zip(arrays.d_start, d_states, strict=False):
            if d_start is not None:
                put(call, d_state, d_start[k], add=False)
        if arrays.norms is not None:
            arrays.norms[:, k] = readings.norms(layer, problem.steps)


def uploaded(call: DeviceCall, problem: Problem) -> list[Weights]:
    """Return the parameters of every layer and direction on the device; a frozen problem's are brought there once."""
    cache = problem.cache if problem.frozen else None
    if cache is None:
        return _uploaded(call, problem)
    if "cuda" not in cache:
        cache["cuda"] = _uploaded(call, problem)
        call.wait()  # other threads' calls may use them at once
    found: list[Weights] = cache["cuda"]
    return found


def _uploaded(call: DeviceCall, problem: Problem) -> list[Weights]:
    tables = problem.weight_ih, problem.weight_hh, problem.bias_ih, problem.bias_hh
    lists = [[None if table is None else call.array(table[k]) for table in tables] for k in range(len(tables[0]))]
    return [Weights(*arrays) for arrays in lists]
