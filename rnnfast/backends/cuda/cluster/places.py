"""Where the arrays of a call by clusters lie in the memory that it takes in one piece; places count float32 numbers."""

from __future__ import annotations

from typing import NamedTuple

from rnnfast.backends.cuda.cluster.sizes import Sizes, sizes_of
from rnnfast.backends.cuda.dropout import has_input_dropout
from rnnfast.backends.cuda.gemm.products import most_slices
from rnnfast.backends.cuda.workspace import Workspace
from rnnfast.problem import Problem


class LayerPlaces(NamedTuple):
    """What a layer leaves for backward; None: it has no such array."""

    x: int | None
    """(T, B, I): its input times `factors`, under dropout."""
    factors: int | None
    mask: int | None
    """(D, B, H): factors of recurrent dropout."""
    gates: int
    """(D, T, B, slots H); this and the following as the package describes them, for each direction."""
    c: int | None
    h: int
    operand: int | None


class ForwardPlaces(NamedTuple):
    """Places of a forward call."""

    size: int
    tables: int
    """What live.py brings to the device."""
    products: int
    """(T, B, D, G H): W_ih x and biases, of a layer at a time."""
    layers: list[LayerPlaces]
    outputs: list[int]
    """(T, B, D·H) of each layer, the last one's for callers whose y is in host memory."""
    final: list[int]
    """(L·D, B, H) of each state, for such callers."""


class BackwardPlaces(NamedTuple):
    """Places of a backward call."""

    size: int
    d: int
    """(D, T, B, slots H): gradients of pre-activations, of a layer at a time."""
    inputs: list[int]
    """(T, B, ·): dL/dx of each layer."""
    first: list[int]
    """(D, B, H) of each state: gradients of a layer's first states, for callers in host memory."""
    found: list[int]
    """(D, T, B, H) of each state: its gradient after every visit, where norms are wanted."""
    parts: int
    """Slices of the gradients of a direction's parameters, as many as any number of live steps takes."""
    parameters: list[int]
    """The gradients of a direction's parameters, for callers in host memory."""


def forward_places(problem: Problem, sizes: Sizes, tables: int, *, on_host: bool) -> ForwardPlaces:
    """Arrange a call, with room for so many int32 numbers of tables. Without a record, layers share their room."""
    space, record, layers = Workspace(), problem.record, problem.num_layers
    rows, directions = sizes.rows, sizes.directions
    tables = space.take(tables)
    products = space.take(rows * directions * sizes.gates)
    room = rows * directions * sizes.size
    if record:
        outputs = [space.take(room) for _ in range(layers - 1 + on_host)]
    else:
        taken = [space.take(room) for _ in range(min(2, layers - 1 + on_host))]
        outputs = [taken[number % len(taken)] for number in range(layers - 1 + on_host)]
    final = [space.take(layers * directions * sizes.row) for _ in range(sizes.states)] if on_host else []
    places = []
    for number in range(layers):
        end = space.end
        places.append(_layer(problem, sizes, space, number))
        if not record:
            space.back(end)
    return ForwardPlaces(max(space.size, 1), tables, products, places, outputs, final)


def _layer(problem: Problem, sizes: Sizes, space: Workspace, number: int) -> LayerPlaces:
    directions, record, masked = sizes.directions, problem.record, problem.recurrent_dropout > 0
    dropped = has_input_dropout(problem, number * directions)
    inputs = sizes.rows * problem.weight_ih[number * directions].shape[1]
    return LayerPlaces(
        space.take(inputs) if dropped else None,
        space.take(inputs) if dropped else None,
        space.take(directions * sizes.row) if masked else None,
        space.take(directions * sizes.rows * sizes.slots if record else 0),
        space.take(directions * sizes.recorded) if record and sizes.states > 1 else None,
        space.take(directions * sizes.recorded if record else 0),
        space.take(directions * sizes.recorded) if record and masked else None,
    )


def backward_places(problem: Problem, sizes: Sizes, *, on_host: bool, norms: bool, parameters: bool) -> BackwardPlaces:
    """Arrange a backward call; `norms`, `parameters`: whether those and gradients of these are wanted."""
    space, directions = Workspace(), sizes.directions
    columns = [problem.weight_ih[number * directions].shape[1] for number in range(problem.num_layers)]
    d = space.take(directions * sizes.rows * sizes.slots)
    taken = [space.take(sizes.rows * max(columns)) for _ in range(2)]
    inputs = [taken[number % 2] for number in range(problem.num_layers)]
    first = [space.take(directions * sizes.row) for _ in range(sizes.states)] if on_host else []
    found = [space.take(directions * sizes.rows * sizes.size) for _ in range(sizes.states)] if norms else []
    rooms = [
        most_slices(*shape_of_slices(sizes, width), sizes.rows) * numbers_of_part(sizes, width) for width in columns
    ]
    parts = space.take(max(rooms) if parameters else 0)
    each = sizes.gates * max(columns), sizes.gates * sizes.size, sizes.gates, sizes.gates
    own = [space.take(numbers) for numbers in each] if on_host and parameters else []
    return BackwardPlaces(max(space.size, 1), d, inputs, first, found, parts, own)


def shape_of_slices(sizes: Sizes, columns: int) -> tuple[int, int]:
    """Return the rows and columns of the largest product that is made in slices, of both layer's products of d^T."""
    return sizes.slots, max(columns, sizes.size)


def numbers_of_part(sizes: Sizes, columns: int) -> int:
    """Return the numbers of a slice: of dW_ih, then of d^T h, then sums of d."""
    return sizes.gates * columns + sizes.slots * (sizes.size + 1)


def memory_of_record(problem: Problem, *, on_host: bool) -> int:
    """Return the bytes of a recorded call's memory where every step is live; for callers in host memory, of copies."""
    sizes = sizes_of(problem)
    numbers = forward_places(problem, sizes, 0, on_host=on_host).size
    if on_host:
        weights = sum(a.size for a in (*problem.weight_ih, *problem.weight_hh))
        numbers += sizes.rows * problem.input_size + weights
    return 4 * numbers
