"""The forward of one layer by clusters: a product, and one launch for all steps, each of both directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.common.weights import Weights
from rnnfast.backends.cuda.arrangement import view
from rnnfast.backends.cuda.cluster.forward import forward_kernel
from rnnfast.backends.cuda.cluster.frames import Frame, Frames, frame_of
from rnnfast.backends.cuda.cluster.live import Live
from rnnfast.backends.cuda.cluster.places import ForwardPlaces, LayerPlaces
from rnnfast.backends.cuda.cluster.sequence import NOTHING, WRAPS, of_directions, of_layer, pair, rows_of_sequence
from rnnfast.backends.cuda.cluster.sizes import Sizes
from rnnfast.backends.cuda.copies import put
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.dropout import write_input_factors, write_recurrent_factors
from rnnfast.backends.cuda.gemm.products import Aways, Matrix, of_inputs
from rnnfast.backends.cuda.rows import scale_kernel
from rnnfast.problem import Problem


class LayerForward:
    """The forward of one layer in a call's memory."""

    def __init__(
        self, sizes: Sizes, call: DeviceCall, problem: Problem, memory: DeviceArray, places: ForwardPlaces,
        number: int, weights: Sequence[Weights], live: Live | None, tables: dict[str, int], frames: Frames,
    ) -> None:  # fmt: skip
        self.sizes, self.call, self.problem, self.memory, self.live = sizes, call, problem, memory, live
        self.number, self.weights, self.tables = number, weights, tables
        self.own: LayerPlaces = places.layers[number]
        self.frames = frames
        self.sums = memory.address + 4 * places.products
        self.mask = self._mask()

    def at(self, place: int | None) -> int:
        """Return the address of a place; 0 for None."""
        return 0 if place is None else self.memory.address + 4 * place

    def dropped(self, x: DeviceArray) -> DeviceArray:
        """Return the layer's input under dropout, x itself where it has none."""
        own, call, rows = self.own, self.call, self.sizes.rows
        if own.x is None:
            return x
        found, factors, columns = view(self.memory, own.x, *x.shape), self.at(own.factors), x.shape[2]
        put(call, x, found, add=False)
        write_input_factors(call, self.problem, self.number * self.sizes.directions, 0, rows, factors)
        call.launch_over(rows * columns, scale_kernel, (call.real,), found.address, factors, rows * columns)
        return found

    def _mask(self) -> int:
        """Write factors of recurrent dropout; return their address, 0 where there are none."""
        sizes, found = self.sizes, self.at(self.own.mask)
        for direction in range(sizes.directions if found else 0):
            k, to = self.number * sizes.directions + direction, found + 4 * direction * sizes.row
            write_recurrent_factors(self.call, self.problem, k, to)
        return found

    def products(self, x: DeviceArray) -> None:
        """Write W_ih x and biases of all directions, (T, B, D, G H); of ragged rows where steps are live."""
        frame = self.frames.get(self.live, ("x", self.number, x.strides), lambda: self._frame(x))
        names = ("ih", "b_ih", "b_hh") if self.weights[0].b_ih is not None else ("ih",)
        found = [of_directions([getattr(each, name).address for each in self.weights]) for name in names]
        (ih, away), (first, first_away), (second, second_away) = (*found, NOTHING, NOTHING)[:3]
        aways = Aways(away, first_away, second_away)
        frame.start(self.call, x.address, ih, self.sums, self.tables.get("rows", 0), first, second, aways=aways)

    def _frame(self, x: DeviceArray) -> Frame:
        sizes, (a, period), features = self.sizes, rows_of_sequence(x), x.shape[2]
        count = sizes.rows if self.live is None else self.live.count
        product = of_inputs(count, sizes.gates, features, sizes.directions)
        inner = sizes.directions * sizes.gates
        to = Matrix(0, inner, sizes.batch * inner)
        with_x = 2 * sizes.size if self.problem.cell == "gru" else sizes.gates
        return frame_of(product, a, Matrix(0, features), to, period, columns=with_x, part=sizes.gates)

    def loop(self, launch: Any, y: DeviceArray, start: Sequence[Any], final: Sequence[Any]) -> None:
        """Run all steps; write y and the final states."""
        sizes, own, tables, weights = self.sizes, self.own, self.tables, self.weights
        row, step = 4 * sizes.directions * sizes.gates, 4 * sizes.batch * sizes.directions * sizes.gates
        bias = NOTHING
        if self.problem.cell == "gru" and weights[0].b_hh is not None:
            address, away = of_directions([w.b_hh.address for w in weights])
            bias = address + 8 * sizes.size, away
        states = [of_layer(a, self.number, sizes.directions) for a in (*start, None, None)[:2]]
        ends = [of_layer(a, self.number, sizes.directions) for a in (*final, None, None)[:2]]
        live = self.live
        values = (
            self.sums, 4 * sizes.gates, *of_directions([w.hh.address for w in weights]), *bias,
            *states[0], *states[1], *pair(self.mask, 4 * sizes.row),
            tables.get("lengths", 0), *pair(tables.get("flags", 0), 0 if live is None else live.flags_away),
            y.address, 4 * sizes.size, *ends[0], *ends[1],
            self.at(own.gates), 4 * sizes.rows * sizes.slots, *pair(self.at(own.c), 4 * sizes.recorded),
            self.at(own.h), 4 * sizes.recorded, *pair(self.at(own.operand), 4 * sizes.recorded),
            tables.get("order", 0), tables.get("spans", 0), self.call.word().address,
            step, row, y.strides[0] % WRAPS, y.strides[1] % WRAPS,
            sizes.steps, sizes.batch, sizes.size, self.problem.direction(0), sizes.tile_rows,
        )  # fmt: skip
        self.call.start(forward_kernel, launch, values, launch.cluster)
