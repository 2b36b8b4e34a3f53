"""Readings of a call's layers, in host memory: activations, norms of gradients, tiers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnfast.backends.cuda.layer import Layer
from rnnfast.backends.cuda.plan import Plan
from rnnfast.backends.cuda.rows import pick
from rnnfast.problem import CELLS, Array, Problem


def activations(problem: Problem, layers: Sequence[Layer], plans: Sequence[Plan]) -> dict[str, Array]:
    """Return post-activation gates by name, and "c" for cells that have it: (L·D, T, B, H), zero where not live.

    `plans`, one a direction, hold no outputs.
    """
    cell, shape = CELLS[problem.cell], (problem.steps, problem.batch, problem.hidden_size)
    result = {}
    for n, name in enumerate((*cell.gates, *cell.states[1:])):
        result[name] = np.empty((len(layers), *shape), problem.dtype)
        for k, layer in enumerate(layers):
            call, state = layer.call, layer.recurrence.state
            source, first = (state[0], n * layer.size) if n < len(cell.gates) else (state[5], 0)
            to = call.empty((shape[0] * shape[1], layer.size), problem.dtype)
            pick(call, source, plans[k % len(plans)].on(call, "shown"), to, first=first)
            result[name][k] = call.host(to).reshape(shape)
    return result


def norms(layer: Layer, steps: int) -> Array:
    """Return (T, 2): norms of dL/dh' and dL/dc', which backward has found, over the live rows of every step."""
    sums, step_of = np.zeros((steps, 2)), layer.plan.positions // max(layer.batch, 1)
    for n, found in enumerate(layer.found):
        if found.shape[0]:
            squares = (layer.call.host(found).astype(np.float64) ** 2).sum(axis=1)
            sums[:, n] = np.bincount(step_of, squares, minlength=steps)
    return np.sqrt(sums)


def tiers(layers: Sequence[Layer]) -> str:
    """Return which tiers the layers run on, and why."""
    return "; ".join(dict.fromkeys(f"tier {layer.tier.name}: {layer.tier.reason}" for layer in layers))
