"""Readings of a call's layers, in host memory: activations, norms of gradients, tiers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.layer_shape import LayerShape
from rnnfast.backends.cuda.passes import Pass
from rnnfast.backends.cuda.plan import Plan
from rnnfast.backends.cuda.ragged import RaggedPlan
from rnnfast.backends.cuda.rows import pick, table
from rnnfast.problem import CELLS, Array, Problem


def activations(
    call: DeviceCall, problem: Problem, layers: Sequence[LayerShape], passes: Sequence[Pass],
    plans: Sequence[Plan | RaggedPlan],
) -> dict[str, Array]:  # fmt: skip
    """Return post-activation gates by name, and "c" for cells that have it: (L·D, T, B, H), zero where not live.

    `plans`, one a direction, hold no outputs.
    """
    cell, shape = CELLS[problem.cell], (problem.steps, problem.batch, problem.hidden_size)
    positions, result = shape[0] * shape[1], {}
    for n, name in enumerate((*cell.gates, *cell.states[1:])):
        result[name] = np.empty((len(passes), *shape), problem.dtype)
        for k, (layer, p) in enumerate(zip(layers, passes, strict=True)):
            source = table(p.at(p.places.c), p.count, layer.size)
            if n < len(cell.gates):
                source = table(p.gates(layer.width, n * layer.size).address, p.count, layer.width)
            to = call.empty((positions, layer.size), problem.dtype)
            index = plans[k % len(plans)].on(call, "shown")
            pick(call, source, index, positions, table(to.address, positions, layer.size), layer.size)
            result[name][k] = call.host(to).reshape(shape)
    return result


def norms(call: DeviceCall, plan: Plan | RaggedPlan, found: Sequence[DeviceArray], steps: int, batch: int) -> Array:
    """Return (T, 2): norms of dL/dh' and dL/dc', (n, H) each, over the live rows of every step."""
    sums, step_of = np.zeros((steps, 2)), plan.positions // max(batch, 1)
    for n, gradients in enumerate(found):
        if gradients.shape[0]:
            squares = (call.host(gradients).astype(np.float64) ** 2).sum(axis=1)
            sums[:, n] = np.bincount(step_of, squares, minlength=steps)
    return np.sqrt(sums)


def tiers(layers: Sequence[LayerShape]) -> str:
    """Return which tiers the layers ran on, and why."""
    return "; ".join(dict.fromkeys(f"tier {layer.tier.name}: {layer.tier.reason}" for layer in layers))
