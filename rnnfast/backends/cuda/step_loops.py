"""Tier C's time loops: for every step products over memory, and kernels of what lies between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rnnfast.backends.cuda.counted import times
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.ends import Ends, Shown
from rnnfast.backends.cuda.gemm.multiply import multiplies_step
from rnnfast.backends.cuda.gemm.products import slices_for_step
from rnnfast.backends.cuda.layer_shape import LayerShape
from rnnfast.backends.cuda.matrix import Matrix, matrix
from rnnfast.backends.cuda.passes import Pass
from rnnfast.backends.cuda.product import multiply
from rnnfast.backends.cuda.rows import operand_kernel, pick, table
from rnnfast.backends.cuda.shapes import Phase
from rnnfast.backends.cuda.steps import begin_step_kernel, end_step_kernel, forward_step_kernel


def scratch(layer: LayerShape) -> int:
    """Return how many numbers a step works on: an operand and the slices of its sums."""
    if layer.tier.block is not None:
        return 0
    size, phases = layer.size, layer.cell.phases
    forward = [phase.count * slices_for_step(phase.count * size, size) for phase in phases]
    backward = [sum(slices_for_step(size, run.count * size) for run in phase.runs) for phase in phases]
    return layer.batch * size * (1 + max(*forward, *backward))


def _multiply(call: DeviceCall, a: Matrix, b: Matrix, c: Matrix, m: int, n: int, depth: int, part: int) -> int:
    """Make C (m, n) the product of A and B in slices, `part` numbers apart; return how many."""
    slices = multiplies_step(call, a, b, c, m, n, depth, part)
    if not slices:
        multiply(call, a, b, c, m, n, depth)
    return slices or 1


def _visits(call: DeviceCall, p: Pass) -> list[tuple[int, int, int]]:
    """Return of each visit its number, where its entries begin and how many there are.

    Without those that have none, unless the call is noted: others that are like it may have some there.
    """
    return [each for each in p.plan.visits() if each[2] > 0 or call.is_noted]


def _common(call: DeviceCall, layer: LayerShape, p: Pass) -> tuple[Any, ...]:
    """Return what all kernels of steps take after the step's entries: the plan's arrays, sizes, the state."""
    plan = p.plan
    return (plan.on(call, "rows"), plan.on(call, "previous"), p.count, *layer.sizes, *p.state)


def forward_steps(call: DeviceCall, layer: LayerShape, p: Pass, shown: Shown) -> None:
    size, cell, common, places = layer.size, layer.cell, _common(call, layer, p), p.places
    room = p.matrix(places.scratch, size)
    sums = Matrix(p.memory, places.scratch + layer.batch * size, 1, 1)
    weights = matrix(p.weights.hh)
    for v, start, count in _visits(call, p):
        for phase in cell.phases:
            if phase is cell.phases[0]:
                left = _operand(call, layer, p, start, count, room)
            else:
                assert places.operand is not None
                left = p.matrix(places.operand, size).below(start)
            columns = phase.count * size
            to, right, part = (
                sums._replace(row=columns),
                weights.below(phase.first * size).turned,
                layer.batch * columns,
            )
            slices = _multiply(call, left, right, to, count, columns, size, part)
            values = v, start, count, *common, *shown, to.address, slices, part
            call.launch_over(times(count, size), forward_step_kernel, (call.real, cell, phase), *values)


def _operand(call: DeviceCall, layer: LayerShape, p: Pass, start: int, count: int, room: Matrix) -> Matrix:
    """Return h as it enters the first product of a step's entries: the states after the last, if they are no others."""
    if p.plan.kept and p.places.mask is None and start:
        return p.matrix(p.places.h, layer.size).below(start - layer.batch)
    rows, previous, n, batch, size, _, h0, _, mask, _, _, h = _common(call, layer, p)
    where = start, count, rows, previous, n, n, batch, size
    call.launch_over(times(count, size), operand_kernel, (call.real,), *where, h0, h, mask, room.address)
    return room


def write_final(call: DeviceCall, layer: LayerShape, p: Pass, final: Sequence[int]) -> None:
    plan, (_, h0, c0, _, _, c, h) = p.plan, p.state
    for to, first, after in zip(final, (h0, c0), (h, c), strict=True):
        if to:
            where = 0, layer.batch, 0, plan.on(call, "last"), layer.batch, p.count
            numbers = layer.batch * layer.size
            call.launch_over(numbers, operand_kernel, (call.real,), *where, *layer.sizes, first, after, 0, to)


def backward_steps(call: DeviceCall, layer: LayerShape, p: Pass, d_shown: Shown, held: int, ends: Ends) -> None:
    size, batch, cell, common = layer.size, layer.batch, layer.cell, _common(call, layer, p)
    grads = ends[2:]
    for given, to in ((ends.d_h_n, ends.dh), (ends.d_c_n, ends.dc)):
        if to and given:
            alive = p.plan.on(call, "alive")
            pick(call, table(given, batch, size), alive, batch, table(to, batch, size), size)
        elif to:
            call.clear(to, batch * size * layer.dtype.itemsize)
    sums, weights = p.matrix(p.places.scratch, size), matrix(p.weights.hh)
    for v, start, count in reversed(_visits(call, p)):
        begin = v, start, count, *common, *d_shown, held, *grads
        call.launch_over(times(count, size), begin_step_kernel, (call.real, cell), *begin)
        for phase in reversed(cell.phases):
            slices = _phase_back(call, layer, p, phase, start, count, weights, sums)
            end = start, count, *common, *grads, sums.address, slices, layer.batch * size
            call.launch_over(times(count, size), end_step_kernel, (call.real, cell, phase), *end)


def _phase_back(
    call: DeviceCall, layer: LayerShape, p: Pass, phase: Phase, start: int, count: int, weights: Matrix, sums: Matrix
) -> int:
    """Write the products of a step's gradients of a phase's gates with their rows of W_hh; return how many slices."""
    size, slices = layer.size, 0
    part = layer.batch * size
    for run in phase.runs:
        left, right = p.gates(layer.width, run.slot * size).below(start), weights.below(run.gate * size)
        to = sums._replace(begin=sums.begin + slices * part)
        slices += _multiply(call, left, right, to, count, size, run.count * size, part)
    return slices
