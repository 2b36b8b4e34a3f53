"""The backward of one layer by clusters: a launch for all steps, then products of the gradients that it made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.contract import BackwardArrays
from rnnfast.backends.cuda.arrangement import view
from rnnfast.backends.cuda.cluster.backward import backward_kernel
from rnnfast.backends.cuda.cluster.backward_launch import backward_launch
from rnnfast.backends.cuda.cluster.frames import Frame, frame_of
from rnnfast.backends.cuda.cluster.parameter_gradients import write_parameter_gradients
from rnnfast.backends.cuda.cluster.places import BackwardPlaces
from rnnfast.backends.cuda.cluster.record import Record
from rnnfast.backends.cuda.cluster.sequence import (
    NOTHING,
    WRAPS,
    fills,
    is_near,
    near,
    of_directions,
    of_layer,
    pair,
    rows_of_sequence,
)
from rnnfast.backends.cuda.copies import put
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.gemm.products import Matrix, to_inputs
from rnnfast.backends.cuda.rows import scale_kernel


class LayerBackward:
    """The backward of one layer in a call's memory."""

    def __init__(
        self, call: DeviceCall, record: Record, memory: DeviceArray, places: BackwardPlaces, number: int,
        arrays: BackwardArrays,
    ) -> None:  # fmt: skip
        self.call, self.record, self.memory, self.places, self.arrays = call, record, memory, places, arrays
        self.problem, self.sizes, self.number, self.layer = record.problem, record.sizes, number, record.layers[number]
        self.on_host = self.call.library is None

    def at(self, place: int) -> int:
        """Return the address of a place."""
        return self.memory.address + 4 * place

    def loop(self, dy: DeviceArray | None, d_final: Sequence[Any]) -> None:
        """Go back through all steps; write gradients of pre-activations, and those of the first states."""
        record, sizes, layer, number = self.record, self.sizes, self.layer, self.number
        own, tables, live = layer.places, record.tables, record.live
        launch = backward_launch(
            self.problem.cell, sizes.size, sizes.batch, sizes.directions,
            ragged=live is not None, shows=self.arrays.norms is not None, tile_rows=sizes.tile_rows,
        )  # fmt: skip
        states = [of_layer(a, number, sizes.directions) for a in (*d_final, None, None)[:2]]
        first = [self._first(n) for n in range(2)]
        shown = (0, 0, 0) if dy is None else (dy.address, dy.strides[0] % WRAPS, dy.strides[1] % WRAPS)
        values = (
            record.at(own.gates), 4 * sizes.rows * sizes.slots,
            *pair(record.at(own.c), 4 * sizes.recorded), record.at(own.h), 4 * sizes.recorded,
            *of_directions([w.hh.address for w in layer.weights]), *pair(layer.mask, 4 * sizes.row),
            tables.get("lengths", 0), *pair(tables.get("flags", 0), 0 if live is None else live.flags_away),
            *pair(shown[0], 4 * sizes.size), *states[0], *states[1],
            self.at(self.places.d), 4 * sizes.rows * sizes.slots, *first[0], *first[1],
            *self._shown(0), *self._shown(1),
            tables.get("order", 0), tables.get("spans", 0), self.call.word().address, *shown[1:],
            sizes.steps, sizes.batch, sizes.size, self.problem.direction(0), sizes.tile_rows,
        )  # fmt: skip
        self.call.start(backward_kernel, launch, values, launch.cluster)
        self._write_first()

    def _first(self, n: int) -> tuple[int, int]:
        """Return where gradients of the first h, or for n = 1 c, go, and how far on those of the second direction."""
        wanted = self.arrays.d_start[n] if n < len(self.arrays.d_start) else None
        if wanted is None:
            return NOTHING
        if self.on_host:
            return self.at(self.places.first[n]), 4 * self.sizes.row
        return of_layer(wanted, self.number, self.sizes.directions)

    def _shown(self, n: int) -> tuple[int, int]:
        """Return where gradients of h, or for n = 1 c, after each visit go."""
        found = self.places.found
        return (self.at(found[n]), 4 * self.sizes.rows * self.sizes.size) if n < len(found) else NOTHING

    def write_norms(self) -> None:
        """Write norms of the gradients of states, if they are wanted."""
        if self.arrays.norms is None:
            return
        sizes, live, norms = self.sizes, self.record.live, self.arrays.norms
        first = self.number * sizes.directions
        norms[:, first : first + sizes.directions] = 0
        for n, place in enumerate(self.places.found):
            found = view(self.memory, place, sizes.directions, sizes.steps, sizes.batch, sizes.size)
            squares = (self.call.host(found).astype(np.float64) ** 2).sum(axis=3)
            if live is not None:
                squares = np.where(live.live, squares, 0)
            norms[:, first : first + sizes.directions, n] = np.sqrt(squares.sum(axis=2)).T

    def _write_first(self) -> None:
        """Write the gradients of the first states where they are wanted in host memory."""
        sizes, first = self.sizes, self.number * self.sizes.directions
        for place, to in zip(self.places.first, self.arrays.d_start, strict=False):
            if to is not None:
                found = view(self.memory, place, sizes.directions, sizes.batch, sizes.size)
                put(self.call, found, to[first : first + sizes.directions], add=False)

    def write_parameters(self, *, overwrite: bool) -> None:
        """Write or add the gradients of the layer's parameters, if they are wanted."""
        if self.arrays.d_parameters is None:
            return
        x: Any = self.arrays.x
        if self.layer.is_own or not isinstance(x, DeviceArray):
            x = self.layer.x
        count = 2 if self.layer.weights[0].b_ih is None else 4
        for direction in range(self.sizes.directions):
            k = self.number * self.sizes.directions + direction
            wanted: Any = self.arrays.d_parameters[k * count : (k + 1) * count]
            to = wanted
            if self.on_host:
                own = self.places.parameters
                to = [view(self.memory, place, *a.shape) for place, a in zip(own, wanted, strict=False)]
            write_parameter_gradients(
                self.call, self.record, near(self.call, x), self.memory, self.places, self.number, direction, to,
                add=not overwrite and not self.on_host,
            )  # fmt: skip
            for found, a in zip(to, wanted, strict=True) if self.on_host else ():
                put(self.call, found, a, add=not overwrite)

    def input_gradient(self) -> DeviceArray | None:
        """Write dL/dx, if it is wanted or layers below need it; return it, as those read it: where steps are live."""
        sizes, call, layer, given = self.sizes, self.call, self.layer, self.arrays.dx
        is_first = self.number == 0
        if is_first and given is None:
            return None
        columns, own, live = layer.x.shape[2], layer.places, self.record.live
        adds = is_first and self.problem.only_direction == 2
        straight = is_first and isinstance(given, DeviceArray) and own.x is None and is_near(given)
        if straight and live is not None and not adds:
            straight = fills(given)  # type: ignore[arg-type]
        dx: Any = (
            given if straight else view(self.memory, self.places.inputs[self.number], sizes.steps, sizes.batch, columns)
        )
        if is_first and live is not None and not (straight and adds):
            call.clear(dx.address, dx.nbytes)  # layers below read dy of live steps alone
        for direction, weights in enumerate(layer.weights):
            add = direction > 0 or (straight and adds)
            key = "dx", self.number, add, dx.strides
            frame = self.record.frames.get(live, key, lambda: self._frame(dx, columns, add=add))  # noqa: B023
            d = self.at(self.places.d + direction * sizes.rows * sizes.slots)
            frame.start(call, d, weights.ih.address, dx.address, self.record.tables.get("rows", 0))
        if own.factors is not None:
            factors = self.record.at(own.factors)
            call.launch_over(dx.size, scale_kernel, (call.real,), dx.address, factors, dx.size)
        if is_first and not straight:
            put(call, dx, given, add=adds)  # type: ignore[arg-type]
        return dx  # type: ignore[no-any-return]

    def _frame(self, dx: DeviceArray, columns: int, *, add: bool) -> Frame:
        sizes, (to, period) = self.sizes, rows_of_sequence(dx)
        d, product = (
            Matrix(0, sizes.slots, sizes.batch * sizes.slots),
            to_inputs(self.record.count, columns, sizes.gates),
        )
        return frame_of(product, d, Matrix(0, columns), to, period, add=add)
