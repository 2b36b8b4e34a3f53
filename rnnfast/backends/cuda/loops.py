"""The time loops of a layer on whichever tier was chosen for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rnnfast.backends.cuda.backward import backward_kernel
from rnnfast.backends.cuda.forward import forward_kernel
from rnnfast.backends.cuda.product import Matrix, matrix, multiply
from rnnfast.backends.cuda.shapes import Phase
from rnnfast.backends.cuda.steps import begin_step_kernel, end_step_kernel, forward_step_kernel

if TYPE_CHECKING:
    from rnnfast.backends.cuda.layer import Layer


def forward(layer: Layer) -> None:
    """Fill gates, r h, c and h of the layer's state."""
    tier, size, real = layer.tier, layer.size, layer.dtype.type
    if tier.block is None:
        hh = layer.hh.reshape(-1)
        weights = [Matrix(hh, phase.first * size * size, size, 1).turned for phase in layer.cell.phases]
        for start, stop in layer.plan.bounds(1):
            for phase, right in zip(layer.cell.phases, weights, strict=True):
                _forward_step(layer, phase, right, int(start), int(stop))
        return
    kernel = layer.work.kernel(forward_kernel, real, layer.cell, tier.block, tier.block.depth(size))
    _launch(layer, kernel, layer.state)


def backward(layer: Layer, dy: Any, grads: tuple[Any, ...]) -> None:
    """Gates become gradients of their pre-activations, dh and dc those of the first states."""
    tier, real = layer.tier, layer.dtype.type
    if tier.block is None:
        hh = layer.hh.reshape(-1)
        for start, stop in layer.plan.bounds(1)[::-1]:
            _backward_step(layer, hh, int(start), int(stop), dy, grads)
        return
    phases = layer.cell.phases
    depths = [tier.block.depth(phase.count * layer.size) for phase in (phases[0], phases[-1])]
    kernel = layer.work.kernel(backward_kernel, real, layer.cell, tier.block, *depths)
    _launch(layer, kernel, layer.state, dy, grads)


def _launch(layer: Layer, kernel: Any, *arguments: Any) -> None:
    tier = layer.tier
    assert tier.block is not None
    counters = layer.work.zeros((tier.groups,), np.int32)
    blocks = tier.groups * tier.members
    layer.work.launch(
        kernel, blocks, tier.block.threads, layer.device_plan, layer.hh, *arguments, counters, tier.members
    )


def _forward_step(layer: Layer, phase: Phase, weights: Matrix, start: int, stop: int) -> None:
    count, size, width = stop - start, layer.size, phase.count * layer.size
    sums = layer.work.zeros((count * width,), layer.dtype)
    second = phase is not layer.cell.phases[0]
    left = matrix(layer.state[4][start:stop] if second else layer.operands(start, stop))
    multiply(layer.work, left, weights, Matrix(sums, 0, width, 1), count, width, size)
    layer.work.launch_over(
        count * size, forward_step_kernel, (phase,), start, count, layer.device_plan, layer.state, sums
    )


def _backward_step(layer: Layer, hh: Any, start: int, stop: int, dy: Any, grads: tuple[Any, ...]) -> None:
    count, size, work, cell = stop - start, layer.size, layer.work, layer.cell
    numbers, plan, state = count * size, layer.device_plan, layer.state
    work.launch_over(numbers, begin_step_kernel, (cell,), start, count, plan, state, dy, grads)
    for phase in reversed(cell.phases):
        sums = work.zeros((numbers,), layer.dtype)
        for gate, gates, slot in phase.runs:
            left = matrix(state[0][start:stop], slot * size)
            weights = Matrix(hh, gate * size * size, size, 1)
            multiply(work, left, weights, Matrix(sums, 0, size, 1), count, size, gates * size)
        work.launch_over(numbers, end_step_kernel, (cell, phase), start, count, plan, state, grads, sums)
