"""The gradients of a direction's parameters: two products over all live steps, and the sum of their slices."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda.arrangement import view
from rnnfast.backends.cuda.cluster.frames import Frame, frame_of
from rnnfast.backends.cuda.cluster.places import BackwardPlaces, numbers_of_part, shape_of_slices
from rnnfast.backends.cuda.cluster.record import Record
from rnnfast.backends.cuda.cluster.sequence import rows_of_sequence
from rnnfast.backends.cuda.cluster.sizes import Sizes, recurrent_slots
from rnnfast.backends.cuda.counted import following
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.gemm.products import Matrix, of_weights, slices_for
from rnnfast.backends.cuda.gemm.reduction import Gathered, Target, reduction_kernel


def write_parameter_gradients(
    call: DeviceCall, record: Record, x: DeviceArray, memory: DeviceArray, places: BackwardPlaces,
    number: int, direction: int, to: list[Any], *, add: bool,
) -> None:  # fmt: skip
    """Write or add dW_ih, dW_hh and, where there are four targets, db_ih and db_hh.

    A slice is dW_ih (G H, I); d^T h (slots H, H), of whose rows those of gates are dW_hh; sums of d (slots H).
    """
    sizes, columns, frames, live = record.sizes, x.shape[2], record.frames, record.live
    slices = following(slices_for, *shape_of_slices(sizes, columns), record.count)
    part = numbers_of_part(sizes, columns)
    listed = record.tables.get("rows", 0)
    d = memory.address + 4 * (places.d + direction * sizes.rows * sizes.slots)
    parts = memory.address + 4 * places.parts
    key = "dw", number, x.strides
    of_x = frames.get(live, key, lambda: _frame(record, x, sizes.gates, slices, part))
    of_x.start(call, d, x.address, parts, listed)
    h_at = sizes.gates * columns
    sums_at = h_at + sizes.slots * sizes.size
    h = _entered(record, number, direction)
    of_h = frames.get(live, (*key, "h"), lambda: _frame(record, h, sizes.slots, slices, part))
    of_h.start(call, d, h.address, parts + 4 * h_at, listed, sums=parts + 4 * sums_at if len(to) > 2 else 0)
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


def _frame(record: Record, right: DeviceArray, rows: int, slices: int, part: int) -> Frame:
    """Return the frame of d^T times a sequence, in `rows` slots of d."""
    sizes, columns = record.sizes, right.shape[2]
    d = Matrix(0, sizes.slots, sizes.batch * sizes.slots)
    b, period = rows_of_sequence(right)
    return frame_of(of_weights(rows, columns, record.count, slices), d, b, Matrix(0, columns), period, part=part)


def _entered(record: Record, number: int, direction: int) -> DeviceArray:
    """Return h (T, B, H) as it entered the product of each step."""
    sizes, own = record.sizes, record.layers[number].places
    place = own.h if own.operand is None else own.operand
    back = record.problem.direction(number * sizes.directions + direction)
    begin = place + direction * sizes.recorded + back * sizes.row
    return view(record.memory, begin, sizes.steps, sizes.batch, sizes.size)


def _of_gates(cell: str, sizes: Sizes, first: int, width: int, address: int) -> tuple[Target, ...]:
    """Return where rows of `width` numbers of the gates' slots go, those that follow one another together."""
    found, unit = [], sizes.size * width
    for _, run in groupby(enumerate(recurrent_slots(cell)), lambda pair: pair[1] - pair[0]):
        gates = list(run)
        gate, slot = gates[0]
        found.append(Target(first + slot * unit, len(gates) * unit, address + 4 * gate * unit))
    return tuple(found)
