"""The gradients of a direction's parameters: two products over all live steps, and the sum of their slices."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda.cluster.places import BackwardPlaces, numbers_of_part
from rnnfast.backends.cuda.cluster.record import Record
from rnnfast.backends.cuda.cluster.sequence import rows_of_sequence
from rnnfast.backends.cuda.cluster.sizes import Sizes, recurrent_slots
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.gemm.kernel import product_kernel
from rnnfast.backends.cuda.gemm.products import Matrix, Rows, of_weights
from rnnfast.backends.cuda.gemm.reduction import Gathered, Target, reduction_kernel


def write_parameter_gradients(
    call: DeviceCall, record: Record, x: DeviceArray, memory: DeviceArray, places: BackwardPlaces,
    number: int, direction: int, to: list[Any], *, add: bool,
) -> None:  # fmt: skip
    """Write or add dW_ih, dW_hh and, where there are four targets, db_ih and db_hh.

    A slice is dW_ih (G H, I); d^T h (slots H, H), of whose rows those of gates are dW_hh; sums of d (slots H).
    """
    sizes, columns = record.sizes, x.shape[2]
    count = sizes.rows if record.live is None else record.live.count
    slices, part = places.slices[number], numbers_of_part(sizes, columns)
    a, period = rows_of_sequence(x)
    where = Rows(period, record.tables.get("rows", 0))
    d = Matrix(
        memory.address + 4 * (places.d + direction * sizes.rows * sizes.slots), sizes.slots, sizes.batch * sizes.slots
    )
    parts = memory.address + 4 * places.parts
    of_x = of_weights(sizes.gates, columns, count, slices)
    call.start(product_kernel, of_x, of_x.arguments(d, a, Matrix(parts, columns), where, part=part))
    h_at = sizes.gates * columns
    sums_at = h_at + sizes.slots * sizes.size
    h = Matrix(_entered(record, number, direction), sizes.size, sizes.row)
    of_h = of_weights(sizes.slots, sizes.size, count, slices)
    values = of_h.arguments(
        d, h, Matrix(parts + 4 * h_at, sizes.size), where, sums=parts + 4 * sums_at if len(to) > 2 else 0, part=part
    )
    call.start(product_kernel, of_h, values)
    targets = (
        Target(0, h_at, to[0].address),
        *_of_gates(record.problem.cell, sizes, h_at, sizes.size, to[1].address),
    )
    if len(to) > 2:
        targets += (
            Target(sums_at, sizes.gates, to[2].address),
            *_of_gates(record.problem.cell, sizes, sums_at, 1, to[3].address),
        )
    gathered = Gathered(tuple([target.numbers for target in targets]), slices, part)
    call.start(reduction_kernel, gathered, gathered.arguments(parts, targets, add=add))


def _entered(record: Record, number: int, direction: int) -> int:
    """Return the address of h as it entered the product of each step."""
    sizes, own = record.sizes, record.layers[number].places
    place = own.h if own.operand is None else own.operand
    back = record.problem.direction(number * sizes.directions + direction)
    return record.at(place + direction * sizes.recorded + back * sizes.row)


def _of_gates(cell: str, sizes: Sizes, first: int, width: int, address: int) -> tuple[Target, ...]:
    """Return where rows of `width` numbers of the gates' slots go, those that follow one another together."""
    found, unit = [], sizes.size * width
    for _, run in groupby(enumerate(recurrent_slots(cell)), lambda pair: pair[1] - pair[0]):
        gates = list(run)
        gate, slot = gates[0]
        found.append(Target(first + slot * unit, len(gates) * unit, address + 4 * gate * unit))
    return tuple(found)
