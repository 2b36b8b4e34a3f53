"""The backward of one layer and direction: through time, then the gradients of parameters, states and input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.contract import BackwardArrays
from rnnfast.backends.cuda import readings
from rnnfast.backends.cuda.arrangement import view
from rnnfast.backends.cuda.copies import put
from rnnfast.backends.cuda.counted import times
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.ends import NOTHING_SHOWN, Ends, Shown, shown_of
from rnnfast.backends.cuda.layer import BackwardPlaces, Layer
from rnnfast.backends.cuda.matrix import Matrix, matrix
from rnnfast.backends.cuda.passes import Pass
from rnnfast.backends.cuda.plan import Plan
from rnnfast.backends.cuda.ragged import RaggedPlan
from rnnfast.backends.cuda.rows import held_kernel, pick, rows_of, table
from rnnfast.problem import Problem


class LayerBackward:
    """The backward of one layer and direction in a call's memory; `plan` holds no outputs."""

    def __init__(
        self, call: DeviceCall, problem: Problem, memory: DeviceArray, places: BackwardPlaces, layer: Layer, p: Pass,
        plan: Plan | RaggedPlan,
    ) -> None:  # fmt: skip
        self.call, self.problem, self.memory, self.places = call, problem, memory, places
        self.layer, self.p, self.plan, self.k = layer, p, plan, layer.k
        self.direction = layer.k % problem.num_directions

    def at(self, place: int | None) -> int:
        """Return the address of a place; 0 for None."""
        return 0 if place is None else self.memory.address + place * self.memory.dtype.itemsize

    def run(self, dy: DeviceArray | None, d_final: Sequence[DeviceArray | None], arrays: BackwardArrays) -> None:
        """Go back through time; norms are written where they are wanted."""
        layer, places, k = self.layer, self.places, self.k
        given = [0 if a is None else a.address + k * a.strides[0] for a in d_final]
        d_start = [a if isinstance(a, DeviceArray) else None for a in arrays.d_start]
        own = (places.dh, places.dc)[: layer.cell.states]
        wanted = (*d_start, None, None)
        travels = [
            self.at(place) if a is None else a.address + k * a.strides[0] for a, place in zip(wanted, own, strict=False)
        ]
        through = places.through, places.found, places.found_c
        ends = Ends(*(*given, 0, 0)[:2], *(*travels, 0)[:2], *map(self.at, through))
        shown, held = self._from_y(dy)
        layer.backward(self.call, self.p, shown, held, ends, self.at(places.counters))
        if arrays.norms is not None:
            found = [place for place in (places.found, places.found_c) if place is not None]
            tables = [view(self.memory, place, self.p.count, layer.size) for place in found]
            arrays.norms[:, k] = readings.norms(self.call, self.p.plan, tables, self.problem.steps, self.problem.batch)

    def _from_y(self, dy: DeviceArray | None) -> tuple[Shown, int]:
        """Return where gradients of outputs are: as they lie, or where those of entries are put if outputs are held."""
        if dy is None:
            return NOTHING_SHOWN, 0
        column, backwards = self.direction * self.layer.size, self.problem.direction(self.k) == 1
        if self.places.held is None:
            return shown_of(dy, column, backwards=backwards), 0
        call, plan, p, to = self.call, self.p.plan, self.p, self.at(self.places.held)
        index, repeats = plan.on(call, "positions"), plan.on(call, "repeats")
        where = index, repeats, -self.problem.batch if backwards else self.problem.batch, p.count
        numbers = times(p.count, self.layer.size)
        call.launch_over(numbers, held_kernel, (call.real,), *rows_of(dy, column), *where, to, self.layer.size)
        return NOTHING_SHOWN, to

    def write_parameters(self, arrays: BackwardArrays, own: Sequence[int], *, overwrite: bool) -> None:
        """Write or add the gradients of the layer's parameters, if they are wanted."""
        if arrays.d_parameters is None:
            return
        layer, call = self.layer, self.call
        count = 2 if self.p.weights.b_ih is None else 4
        wanted: Any = arrays.d_parameters[self.k * count : (self.k + 1) * count]
        on_host = not isinstance(wanted[0], DeviceArray)
        to = wanted
        if on_host:
            to = [view(self.memory, place, *a.shape) for place, a in zip(own, wanted, strict=False)]
        add = not overwrite and not on_host
        h_in = Matrix(self.memory, self.places.h_in or 0, layer.size, 1)
        layer.weight_gradients(call, self.p, matrix(to[0]), matrix(to[1]), h_in, add)
        if count > 2:
            layer.bias_gradients(call, self.p, self.places, self.at, to[2].address, to[3].address, add)
        if on_host:
            for found, a in zip(to, wanted, strict=True):
                put(call, found, a, add=not overwrite)

    def write_start(self, arrays: BackwardArrays) -> None:
        """Write the gradients of the first states where they are wanted in host memory."""
        for to, place in zip(arrays.d_start, (self.places.dh, self.places.dc), strict=False):
            if to is not None and not isinstance(to, DeviceArray):
                assert place is not None
                put(self.call, view(self.memory, place, *self.layer.sizes), to[self.k], add=False)

    def write_input(self, dx: DeviceArray, *, add: bool) -> None:
        """Write or add dL/dx to (T, B, ·)."""
        layer, p = self.layer, self.p
        if self.plan.is_all and not add and dx.is_dense:
            layer.input_gradient(self.call, p, Matrix(dx, 0, layer.columns, 1))
            return
        own = Matrix(self.memory, self.places.dx, layer.columns, 1)
        layer.input_gradient(self.call, p, own)
        index, positions = self.plan.on(self.call, "shown"), self.problem.steps * self.problem.batch
        source = table(own.address, p.count, layer.columns)
        pick(self.call, source, index, positions, rows_of(dx), layer.columns, add=add)
