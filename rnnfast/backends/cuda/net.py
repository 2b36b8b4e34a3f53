"""A whole net on a device: layer after layer, direction after direction."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.common.layers import weights_of
from rnnfast.backends.cuda.dropout import input_factors, recurrent_factors
from rnnfast.backends.cuda.layer import Layer
from rnnfast.backends.cuda.plan import make_plan, plan_for
from rnnfast.backends.cuda.rows import held_kernel, pick, scale_kernel
from rnnfast.backends.cuda.work import Work
from rnnfast.problem import CELLS, Array, Problem


class Net:
    """One call: its layers, by layer and direction, and the plans that all layers share."""

    def __init__(self, work: Work, problem: Problem) -> None:
        self.work, self.places = work, problem.steps * problem.batch
        self.recorded_on = work.stream
        directions = [problem.direction(half) for half in range(problem.num_directions)]
        self.plans = [plan_for(work, problem, direction) for direction in directions]
        held = problem.masked_output == "hold" and not all(plan.live.all() for plan in self.plans)
        self.top_plans = [make_plan(problem, d, hold=True) for d in directions] if held else self.plans
        self.layers: list[Layer] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> Net:
        twin = copy.copy(self)
        with self.work.device.current():
            twin.work = self.work.again()
            twin.layers = [layer.twin(twin.work) for layer in self.layers]
        return twin

    def __str__(self) -> str:
        """Which tiers its layers run on, and why."""
        return "; ".join(dict.fromkeys(f"tier {layer.tier.name}: {layer.tier.reason}" for layer in self.layers))

    def continue_on(self, work: Work, problem: Problem) -> None:
        """Go on with the caller's stream of now, and where x and first states lie now: out of the way of results."""
        self.work = work
        x = work.array(problem.x) if isinstance(problem.x, DeviceArray) else None
        for k, layer in enumerate(self.layers):
            layer.work = work
            if x is not None and layer.is_on_x:
                layer.x = x.reshape(layer.x.shape)
            layer.state = (layer.state[0], *self.first_states(problem, k, layer), *layer.state[3:])

    def first_states(self, problem: Problem, k: int, layer: Layer) -> list[Any]:
        """The states that a layer began with."""
        given = (problem.h0, problem.c0)
        moved = [self.work.dense(a[k]) if isinstance(a, DeviceArray) else None for a in given]
        return [known if a is None else a for a, known in zip(moved, layer.state[1:3], strict=True)]

    def forward(self, problem: Problem) -> None:
        """Write y and final states."""
        assert problem.x is not None and problem.y is not None
        work, x = self.work, self.work.array(problem.x)
        walked = not isinstance(problem.x, DeviceArray) or problem.x.frame.flags.c_contiguous
        for number in range(problem.num_layers):
            top = number == problem.num_layers - 1
            y = self.target(problem.y if top else None, problem, problem.num_directions * problem.hidden_size)
            for half, plan in enumerate(self.top_plans if top else self.plans):
                k = number * problem.num_directions + half
                layer = Layer(work, problem.cell, weights_of(problem, k), plan, recurrent_factors(work, problem, k))
                layer.x_mask = input_factors(work, problem, k, plan)
                states = self.states(problem, k, (problem.h0, problem.c0))
                layer.forward(self.entries(x, layer, walked), *states)
                pick(work, layer.state[6], plan.on(work, "shown"), y, half * layer.size, layer.size)
                for n, final in enumerate((problem.h_n, problem.c_n)[: len(problem.states)]):
                    layer.final(n, None if final is None else final[k])
                self.layers.append(layer)
            x, walked = y, True
        if not isinstance(problem.y, DeviceArray):
            work.put(x, problem.y, add=False)

    def entries(self, x: Any, layer: Layer, walked: bool) -> Any:
        """What of x (T, B, I) the layer's entries see (n, I); `walked`: x is contiguous and may be seen as it is."""
        width = x.shape[2]
        if walked and layer.plan.is_all and layer.x_mask is None:
            layer.is_on_x = len(self.layers) < len(self.plans)
            return x.reshape(layer.count, width)
        rows = self.work.empty((layer.count, width), x.dtype)
        pick(self.work, x, layer.plan.on(self.work, "places"), rows)
        if layer.x_mask is not None:
            self.work.launch_over(layer.count * width, scale_kernel, (), rows, layer.x_mask)
        return rows

    def target(self, wanted: Array | DeviceArray | None, problem: Problem, width: int) -> Any:
        """Where kernels write a layer's (T, B, width) result: where it is wanted at once, if that is on the device."""
        if isinstance(wanted, DeviceArray):
            return self.work.array(wanted)
        return self.work.empty((problem.steps, problem.batch, width), problem.dtype)

    def backward(self, problem: Problem) -> None:
        """Write the gradients that are wanted."""
        work, width = self.work, problem.num_directions * problem.hidden_size
        shape = (problem.steps, problem.batch, width)
        dy = work.zeros(shape, problem.dtype) if problem.dy is None else work.array(problem.dy)
        for number in reversed(range(problem.num_layers)):
            columns = width if number else problem.input_size
            wanted = number > 0 or problem.dx is not None
            dx = self.target(None if number else problem.dx, problem, columns if wanted else 0)
            for half in range(problem.num_directions):
                k = number * problem.num_directions + half
                layer = self.layers[k]
                self.layer_backward(problem, k, dy)
                if wanted:
                    d = layer.input_gradient()
                    if layer.x_mask is not None:
                        work.launch_over(layer.count * columns, scale_kernel, (), d, layer.x_mask)
                    pick(work, d, self.plans[half].on(work, "shown"), dx, add=half > 0)
            dy = dx
        if problem.dx is not None and not isinstance(problem.dx, DeviceArray):
            work.put(dy, problem.dx, add=problem.half == 2)

    def layer_backward(self, problem: Problem, k: int, dy: Any) -> None:
        """All of one layer-direction's gradients but its input's."""
        layer, work, size = self.layers[k], self.work, problem.hidden_size
        plan, half = layer.plan, k % problem.num_directions
        d = layer.empty(layer.count)
        index, repeats = plan.on(work, "places"), plan.on(work, "repeats")
        step = -problem.batch if problem.direction(k) else problem.batch
        work.launch_over(layer.count * size, held_kernel, (), dy, half * size, index, repeats, step, d)
        alive = plan.on(work, "alive")
        grads = []  # what became zeros in the end has none
        for final in self.states(problem, k, (problem.dh_n, problem.dc_n)):
            grads.append(layer.empty(final.shape[0]))
            pick(work, final, alive[: final.shape[0]], grads[-1])
        layer.backward(d, *grads, found=problem.state_grad_norms is not None)
        tables = problem.d_weight_ih, problem.d_weight_hh, problem.d_bias_ih, problem.d_bias_hh
        for wanted, gradient in zip(tables, layer.weight_gradients(), strict=True):
            if wanted is not None:
                work.put(gradient, wanted[k], add=not problem.overwrite)
        self.hand_out((problem.dh0, problem.dc0), k, grads)
        if problem.state_grad_norms is not None:
            problem.state_grad_norms[:, k] = _norms(layer, problem)

    def states(self, problem: Problem, k: int, given: tuple[Any, Any]) -> list[Any]:
        """Layer-direction k's part of (L·D, B, H) arrays, zeros where there is none; no rows of what no state is."""
        shape, found = (problem.batch, problem.hidden_size), []
        for a in given[: len(problem.states)]:
            found.append(self.work.zeros(shape, problem.dtype) if a is None else self.work.dense(a[k]))
        return [*found, *[self.work.empty((0, shape[1]), problem.dtype)] * (2 - len(found))]

    def hand_out(self, wanted: tuple[Any, Any], k: int, states: Any) -> None:
        """Write layer-direction k's part of (L·D, B, H) arrays, where they are wanted."""
        for array, state in zip(wanted, states, strict=True):
            if array is not None:
                self.work.put(state, array[k], add=False)

    def activations(self, problem: Problem) -> dict[str, Array]:
        """Gates by name, and c, in host memory."""
        cell, size, result = CELLS[problem.cell], problem.hidden_size, {}
        shape = (problem.steps, problem.batch, size)
        for n, name in enumerate((*cell.gates, *cell.states[1:])):
            result[name] = np.empty((len(self.layers), *shape), problem.dtype)
            for k, layer in enumerate(self.layers):
                gates, c = layer.state[0], layer.state[5]
                source, first = (gates, n * size) if n < len(cell.gates) else (c, 0)
                to = self.work.empty((self.places, size), problem.dtype)
                pick(self.work, source, self.plans[k % problem.num_directions].on(self.work, "shown"), to, first=first)
                result[name][k] = self.work.host(to).reshape(shape)
        return result


def _norms(layer: Layer, problem: Problem) -> Array:
    """(T, 2): norms of dL/dh' and dL/dc' over the live rows of every step."""
    sums, steps = np.zeros((problem.steps, 2)), layer.plan.places // problem.batch
    for n, found in enumerate(layer.found):
        if found.shape[0]:
            squares = (layer.work.host(found).astype(np.float64) ** 2).sum(axis=1)
            sums[:, n] = np.bincount(steps, squares, minlength=problem.steps)
    return np.sqrt(sums)
