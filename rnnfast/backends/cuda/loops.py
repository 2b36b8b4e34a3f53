"""The time loops of one layer and direction on whichever tier was chosen for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda.backward import backward_kernel
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.driver.launch import Launch
from rnnfast.backends.cuda.forward import forward_kernel
from rnnfast.backends.cuda.layer_shape import LayerShape
from rnnfast.backends.cuda.matrix import Matrix, matrix
from rnnfast.backends.cuda.passes import Pass
from rnnfast.backends.cuda.product import multiply
from rnnfast.backends.cuda.rows import operand_kernel, pick, table
from rnnfast.backends.cuda.shapes import Cell, Phase
from rnnfast.backends.cuda.steps import begin_step_kernel, end_step_kernel, forward_step_kernel
from rnnfast.backends.cuda.tiers import Tier


class Shown(NamedTuple):
    """Where the outputs of a direction's visits lie: the first one's address, the numbers from visit to visit and from
    row to row. Address 0: they are not written, or as gradients zeros.
    """

    address: int
    step: int
    row: int


NOTHING_SHOWN = Shown(0, 0, 0)


def shown_of(y: DeviceArray, column: int, *, backwards: bool) -> Shown:
    """Return where the outputs of a direction's visits lie in y (T, B, ·), from a column on."""
    item, (step, row, _) = y.dtype.itemsize, y.strides
    if not y.size:
        return NOTHING_SHOWN
    address = y.address + column * item
    if backwards:
        return Shown(address + (y.shape[0] - 1) * step, -step // item, row // item)
    return Shown(address, step // item, row // item)


class Ends(NamedTuple):
    """Addresses (B, H) of final states' gradients, 0: zeros, and of what travels back, see gradients.py."""

    d_h_n: int
    d_c_n: int
    dh: int
    dc: int
    through: int
    found: int
    found_c: int


def scratch(tier: Tier, cell: Cell, batch: int, size: int) -> int:
    """Return how many numbers a step of tier C works on: an operand and its sums."""
    return 0 if tier.block is not None else batch * size * (1 + max(phase.count for phase in cell.phases))


def forward(call: DeviceCall, layer: LayerShape, p: Pass, shown: Shown, final: Sequence[int], counters: int) -> None:
    """Fill gates, r h, c and h of the state; write what is shown and the final states."""
    tier, block = layer.tier, layer.tier.block
    if block is None:
        _forward_steps(call, layer, p, shown)
        _write_final(call, layer, p, final)
        return
    constants = call.real, layer.cell, block, block.depth(layer.size)
    launch = _resident(call, layer, forward_kernel, constants)
    values = (*p.plan.loop(call, tier.groups), *layer.sizes, p.weights.hh.address, *p.state, *shown, *final)
    launch(call.stream, *values, counters, tier.members)


def backward(
    call: DeviceCall, layer: LayerShape, p: Pass, d_shown: Shown, held: int, ends: Ends, counters: int
) -> None:
    """Make gates the gradients of their pre-activations, dh and dc those of the first states."""
    tier, block, phases = layer.tier, layer.tier.block, layer.cell.phases
    if block is None:
        _backward_steps(call, layer, p, d_shown, held, ends)
        return
    depths = [block.depth(phase.count * layer.size) for phase in (phases[0], phases[-1])]
    launch = _resident(call, layer, backward_kernel, (call.real, layer.cell, block, *depths))
    values = (*p.plan.loop(call, tier.groups), *layer.sizes, p.weights.hh.address, *p.state, *d_shown, held, *ends)
    launch(call.stream, *values, counters, tier.members)


def _resident(call: DeviceCall, layer: LayerShape, make: Any, constants: tuple[Any, ...]) -> Launch:
    """Return the layer's launch of a kernel of resident blocks, all of which run at once."""
    launch = layer.launches.get(make)
    if launch is None:
        tier = layer.tier
        assert tier.block is not None
        kernel = call.device.kernel(make, *constants, threads=tier.block.threads)
        launch = kernel.launch(tier.groups * tier.members, cooperative=tier.members > 1)
        layer.launches[make] = launch
    return launch


def _visits(p: Pass) -> list[tuple[int, int, int]]:
    """Return of each visit that has any entries its number and where they begin and end."""
    bounds = p.plan.bounds(1).tolist()
    return [(v, start, stop) for v, (start, stop) in enumerate(bounds) if start < stop]


def _common(call: DeviceCall, layer: LayerShape, p: Pass) -> tuple[Any, ...]:
    """Return what all kernels of steps take after the step's entries: the plan's arrays, sizes, the state."""
    plan = p.plan
    return (plan.on(call, "rows"), plan.on(call, "previous"), p.count, *layer.sizes, *p.state)


def _forward_steps(call: DeviceCall, layer: LayerShape, p: Pass, shown: Shown) -> None:
    size, cell, common, places = layer.size, layer.cell, _common(call, layer, p), p.places
    room = p.matrix(places.scratch, size)
    sums = Matrix(p.memory, places.scratch + layer.batch * size, 1, 1)
    weights = matrix(p.weights.hh)
    for v, start, stop in _visits(p):
        count = stop - start
        for phase in cell.phases:
            if phase is cell.phases[0]:
                left = _operand(call, layer, p, start, count, room)
            else:
                assert places.operand is not None
                left = p.matrix(places.operand, size).below(start)
            to, right = sums._replace(row=phase.count * size), weights.below(phase.first * size).turned
            multiply(call, left, right, to, count, phase.count * size, size)
            make = call.real, cell, phase
            call.launch_over(count * size, forward_step_kernel, make, v, start, count, *common, *shown, to.address)


def _operand(call: DeviceCall, layer: LayerShape, p: Pass, start: int, count: int, room: Matrix) -> Matrix:
    """Return h as it enters the first product of a step's entries: the states after the last, if they are no others."""
    if p.plan.kept and p.places.mask is None and start:
        return p.matrix(p.places.h, layer.size).below(start - layer.batch)
    rows, previous, n, batch, size, _, h0, _, mask, _, _, h = _common(call, layer, p)
    where = start, count, rows, previous, n, n, batch, size
    call.launch_over(count * size, operand_kernel, (call.real,), *where, h0, h, mask, room.address)
    return room


def _write_final(call: DeviceCall, layer: LayerShape, p: Pass, final: Sequence[int]) -> None:
    plan, (_, h0, c0, _, _, c, h) = p.plan, p.state
    for to, first, after in zip(final, (h0, c0), (h, c), strict=True):
        if to:
            where = 0, layer.batch, plan.on(call, "everyone"), plan.on(call, "last"), layer.batch, p.count
            numbers = layer.batch * layer.size
            call.launch_over(numbers, operand_kernel, (call.real,), *where, *layer.sizes, first, after, 0, to)


def _backward_steps(call: DeviceCall, layer: LayerShape, p: Pass, d_shown: Shown, held: int, ends: Ends) -> None:
    size, batch, cell, common = layer.size, layer.batch, layer.cell, _common(call, layer, p)
    grads = ends[2:]
    for given, to in ((ends.d_h_n, ends.dh), (ends.d_c_n, ends.dc)):
        if to and given:
            alive = p.plan.on(call, "alive")
            pick(call, table(given, batch, size), alive, batch, table(to, batch, size), size)
        elif to:
            call.clear(to, batch * size * layer.dtype.itemsize)
    sums, weights = p.matrix(p.places.scratch, size), matrix(p.weights.hh)
    for v, start, stop in reversed(_visits(p)):
        count = stop - start
        begin = v, start, count, *common, *d_shown, held, *grads
        call.launch_over(count * size, begin_step_kernel, (call.real, cell), *begin)
        for phase in reversed(cell.phases):
            _phase_back(call, layer, p, phase, start, count, weights, sums)
            end = start, count, *common, *grads, sums.address
            call.launch_over(count * size, end_step_kernel, (call.real, cell, phase), *end)


def _phase_back(
    call: DeviceCall, layer: LayerShape, p: Pass, phase: Phase, start: int, count: int, weights: Matrix, sums: Matrix
) -> None:
    """Write the product of a step's gradients of a phase's gates with their rows of W_hh."""
    size = layer.size
    for number, run in enumerate(phase.runs):
        left, right = p.gates(layer.width, run.slot * size).below(start), weights.below(run.gate * size)
        multiply(call, left, right, sums, count, size, run.count * size, add=number > 0)
