"""A whole net on a device: layer after layer, direction after direction, between NumPy arrays."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from rnnfast.backends.layers import weights_of, write_gradients, write_states
from rnnfast.backends.reference_dropout import input_mask, recurrent_mask
from rnnfast.cuda_kernels.cells import FROM_ZEROS
from rnnfast.cuda_kernels.device import launch_over, zeros
from rnnfast.cuda_kernels.layer import Layer
from rnnfast.cuda_kernels.plan import make_plan
from rnnfast.cuda_kernels.rows import held_kernel, pick_kernel, scale_kernel
from rnnfast.problem import CELLS, Array, Problem


class Net:
    """One call: its layers, by layer and direction, and the plans that all layers share."""

    def __init__(self, device: Any, problem: Problem) -> None:
        self.device, self.places = device, problem.steps * problem.batch
        directions = [problem.direction(half) for half in range(problem.num_directions)]
        self.plans = [make_plan(problem, direction, hold=False) for direction in directions]
        held = problem.masked_output == "hold" and not all(plan.live.all() for plan in self.plans)
        self.top_plans = [make_plan(problem, d, hold=True) for d in directions] if held else self.plans
        self.layers: list[Layer] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> Net:
        twin = copy.copy(self)
        twin.layers = copy.deepcopy(self.layers)
        return twin

    def __str__(self) -> str:
        """Which tiers its layers run on, and why."""
        return "; ".join(dict.fromkeys(f"tier {layer.tier.name}: {layer.tier.reason}" for layer in self.layers))

    def forward(self, problem: Problem) -> None:
        """Write y and final states."""
        assert problem.x is not None and problem.y is not None
        device, size = self.device, problem.hidden_size
        x = device.array(problem.x.reshape(self.places, problem.input_size))
        for number in range(problem.num_layers):
            plans = self.top_plans if number == problem.num_layers - 1 else self.plans
            y = device.empty((self.places, problem.num_directions * size), problem.dtype)
            factors = input_mask(problem, number)
            for half, plan in enumerate(plans):
                k = number * problem.num_directions + half
                layer = Layer(device, problem.cell, weights_of(problem, k), plan, recurrent_mask(problem, k))
                x_in = self.picked(x, 0, device.array(plan.places), x.shape[1])
                if factors is not None:
                    layer.x_mask = device.array(factors.reshape(self.places, -1)[plan.places])
                    launch_over(device, layer.count * x.shape[1], scale_kernel, (), x_in, layer.x_mask)
                states = layer.forward(x_in, *_states(problem, k, problem.h0, problem.c0))
                shown = device.array(plan.shown)
                launch_over(
                    device,
                    y.shape[0] * size,
                    pick_kernel,
                    (False,),
                    layer.state[6],
                    0,
                    shown,
                    y,
                    half * size,
                    size,
                )
                write_states((problem.h_n, problem.c_n), k, [device.host(s) for s in states if s is not None])
                self.layers.append(layer)
            x = y
        problem.y[...] = device.host(x).reshape(problem.y.shape)

    def picked(self, source: Any, first: int, index: Any, width: int) -> Any:
        """Those rows of `width` columns, zeros where an index is negative."""
        to = self.device.empty((index.shape[0], width), source.dtype)
        launch_over(self.device, index.shape[0] * width, pick_kernel, (False,), source, first, index, to, 0, width)
        return to

    def backward(self, problem: Problem) -> None:
        """Write the gradients that are wanted."""
        device, shape = self.device, (self.places, problem.num_directions * problem.hidden_size)
        dy = zeros(device, shape, problem.dtype) if problem.dy is None else device.array(problem.dy.reshape(shape))
        for number in reversed(range(problem.num_layers)):
            columns = problem.input_size if number == 0 else shape[1]
            dx = zeros(device, (self.places, columns), problem.dtype)
            for half in range(problem.num_directions):
                k = number * problem.num_directions + half
                layer = self.layers[k]
                self.layer_backward(problem, k, dy)
                if number > 0 or problem.dx is not None:
                    d = layer.input_gradient()
                    if layer.x_mask is not None:
                        launch_over(device, layer.count * columns, scale_kernel, (), d, layer.x_mask)
                    own = device.array(self.plans[half].shown)
                    launch_over(device, self.places * columns, pick_kernel, (True,), d, 0, own, dx, 0, columns)
            dy = dx
        if problem.dx is not None:
            dx = device.host(dy).reshape(problem.dx.shape)
            problem.dx[...] = dx + problem.dx if problem.half == 2 else dx

    def layer_backward(self, problem: Problem, k: int, dy: Any) -> None:
        """All of one layer-direction's gradients but its input's."""
        layer, device, size = self.layers[k], self.device, problem.hidden_size
        plan, half = layer.plan, k % problem.num_directions
        d = layer.empty(layer.count)
        index, repeats = device.array(plan.places), device.array(plan.repeats)
        step = -problem.batch if problem.direction(k) else problem.batch
        launch_over(device, layer.count * size, held_kernel, (), dy, half * size, index, repeats, step, d)
        alive = (plan.last != FROM_ZEROS)[:, None]  # what became zeros in the end has no gradient
        states = [np.where(alive, a, a.dtype.type(0)) for a in _states(problem, k, problem.dh_n, problem.dc_n)]
        firsts = layer.backward(d, *states, found=problem.state_grad_norms is not None)
        write_gradients(problem, k, layer.weight_gradients())
        write_states((problem.dh0, problem.dc0), k, [device.host(a) for a in firsts])
        if problem.state_grad_norms is not None:
            problem.state_grad_norms[:, k] = _norms(layer, problem)

    def activations(self, problem: Problem) -> dict[str, Array]:
        """Gates by name, and c."""
        cell, size, result = CELLS[problem.cell], problem.hidden_size, {}
        shape = (len(self.layers), problem.steps, problem.batch, size)
        for n, name in enumerate((*cell.gates, *cell.states[1:])):
            result[name] = np.empty(shape, problem.dtype)
            for k, layer in enumerate(self.layers):
                gates, c = layer.state[0], layer.state[5]
                source, first = (gates, n * size) if n < len(cell.gates) else (c, 0)
                own = self.device.array(self.plans[k % problem.num_directions].shown)
                result[name][k] = self.device.host(self.picked(source, first, own, size)).reshape(shape[1:])
        return result


def _states(problem: Problem, k: int, h: Array | None, c: Array | None) -> list[Array]:
    """Layer-direction k's part of (L·D, B, H) arrays; zeros where there is none."""
    zero = np.zeros((problem.batch, problem.hidden_size), problem.dtype)
    return [zero if a is None else a[k] for a in (h, c)]


def _norms(layer: Layer, problem: Problem) -> Array:
    """(T, 2): norms of dL/dh' and dL/dc' over the live rows of every step."""
    sums, steps = np.zeros((problem.steps, 2)), layer.plan.places // problem.batch
    for n, found in enumerate(layer.found):
        if found.shape[0]:
            squares = (layer.device.host(found).astype(np.float64) ** 2).sum(axis=1)
            sums[:, n] = np.bincount(steps, squares, minlength=problem.steps)
    return np.sqrt(sums)
