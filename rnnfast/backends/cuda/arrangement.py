"""Where the arrays of a whole net's call lie in the memory that it takes in one piece."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rnnfast.arrays.device_view import DeviceArray, dense_strides
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.layer import BackwardPlaces, Layer
from rnnfast.backends.cuda.passes import Places
from rnnfast.backends.cuda.workspace import Workspace
from rnnfast.problem import Problem


class Forward(NamedTuple):
    """Places of a forward call, in numbers from the beginning of its memory."""

    size: int
    gates: int
    """The numbers at the beginning that are gates, those of all layers: what backward changes."""
    layers: list[Places]
    outputs: list[int]
    """(T, B, D·H) of each layer, the last one's for callers whose y is in host memory."""
    final: list[int]
    """(L·D, B, H) of each state, for such callers."""
    counters: list[int]
    """Of each layer-direction, one after another."""
    tables: int
    """What ragged.py brings and writes."""


class Backward(NamedTuple):
    """Places of a backward call."""

    size: int
    layers: list[BackwardPlaces]
    gradients: list[int]
    """(T, B, ·): dL/dx of each layer."""
    parameters: list[int]
    """The gradients of one layer-direction's parameters, for callers in host memory."""
    counters: int
    """The numbers at the beginning that hold all counters."""


def forward(problem: Problem, layers: Sequence[Layer], counts: Sequence[int], tables: int, on_host: bool) -> Forward:
    """Arrange a call with so many entries in each direction, and bytes of tables.

    Without a record, layers share their room.
    """
    space, each, record = Workspace(), len(counts), problem.record
    gates = []
    for k, layer in enumerate(layers):
        gates.append(space.take(counts[k % each] * layer.width))
        if not record:
            space.back(0)
    space.back(space.size)
    all_gates, counters, n = space.size, [], sum(layer.counters for layer in layers)
    at = space.take(n)
    for layer in layers:
        counters.append(at)
        at += layer.counters
    written = space.take(-(-tables // problem.dtype.itemsize))
    width = problem.num_directions * problem.hidden_size
    room = problem.steps * problem.batch * width
    outputs = [space.take(room) for _ in range(problem.num_layers - 1 + on_host)] if record else []
    if not record and (problem.num_layers > 1 or on_host):
        taken = [space.take(room) for _ in range(2)]
        outputs = [taken[number % 2] for number in range(problem.num_layers)]
    states = len(layers) * problem.batch * problem.hidden_size
    final = [space.take(states) for _ in problem.states] if on_host else []
    places = []
    for k, layer in enumerate(layers):
        end = space.end
        places.append(layer.take(space, gates[k], counts[k % each]))
        if not record:
            space.back(end)
    return Forward(max(space.size, 1), all_gates, places, outputs, final, counters, written)


def backward(
    call: DeviceCall, problem: Problem, layers: Sequence[Layer], counts: Sequence[int], held: bool, norms: bool
) -> Backward:
    """Arrange a backward call; `held`: outputs of the last layer are; `norms`: those of gradients are wanted."""
    space, each, at, counters = Workspace(), len(counts), 0, []
    for layer in layers:
        counters.append(at)
        at += layer.all_counters(call)
    space.take(at)
    columns = max(layer.columns for layer in layers)
    taken = [space.take(problem.steps * problem.batch * columns) for _ in range(2)]
    gradients = [taken[number % 2] for number in range(problem.num_layers)]
    sizes = [max(_sizes(layer)[n] for layer in layers) for n in range(4)]
    parameters = [space.take(size) for size in sizes] if call.library is None else []
    places, end = [], space.end
    for k, layer in enumerate(layers):
        top = k >= len(layers) - problem.num_directions
        places.append(layer.take_backward(call, space, counts[k % each], counters[k], held and top, norms))
        space.back(end)
    return Backward(max(space.size, 1), places, gradients, parameters, at)


def _sizes(layer: Layer) -> tuple[int, int, int, int]:
    """Return the sizes of a layer's parameters."""
    return layer.inputs * layer.columns, layer.inputs * layer.size, layer.inputs, layer.inputs


def view(memory: DeviceArray, place: int, *shape: int) -> DeviceArray:
    """Return the C-contiguous array of this shape at a place of the memory."""
    item = memory.dtype.itemsize
    strides = dense_strides(shape, item)
    return DeviceArray(memory.address + place * item, shape, strides, memory.dtype, memory.owner)
