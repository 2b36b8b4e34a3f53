"""A call that ran on a device, and its backward: what forward left, and how gradients go back through it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.contract import BackwardArrays
from rnnfast.backends.cuda import arrangement, readings
from rnnfast.backends.cuda.arrangement import view
from rnnfast.backends.cuda.copies import copied, put
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.layer import BackwardPlaces, Layer
from rnnfast.backends.cuda.loops import NOTHING_SHOWN, Ends, Shown, shown_of
from rnnfast.backends.cuda.matrix import Matrix, matrix
from rnnfast.backends.cuda.passes import Pass
from rnnfast.backends.cuda.plan import Plan
from rnnfast.backends.cuda.rows import held_kernel, pick, rows_of, table
from rnnfast.problem import Array, Problem


class Recording:
    """Passes of a call by layer and direction. `plans`, one a direction, hold no outputs; arrays come time first.

    Can be deep-copied where backward, which makes gates gradients, shall have it twice.
    """

    def __init__(
        self, call: DeviceCall, problem: Problem, layers: Sequence[Layer], plans: Sequence[Plan],
        passes: Sequence[Pass], gates: int, arranged: dict[tuple[bool, ...], arrangement.Backward],
    ) -> None:  # fmt: skip
        self.call, self.problem, self.layers, self.plans, self.passes = call, problem, layers, plans, passes
        self.gates, self.recorded_on = gates, call.stream
        """The numbers of all gates, which stand at the beginning of the call's memory."""
        self._arranged = arranged
        """Places of backward calls in which all rows were live, by what is wanted."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Recording:
        twin, old = copy.copy(self), self.passes[0].gates_memory
        with self.call.device.current():
            twin.call = call = self.call.again()
            new = call.empty((max(self.gates, 1),), self.problem.dtype)
            if self.gates:
                bytes_of_gates = self.gates * new.dtype.itemsize
                call.device.driver.copy(new.address, old.address, bytes_of_gates, call.stream)
        twin.passes = [p.twin(new) for p in self.passes]
        return twin

    def backward(self, call: DeviceCall, arrays: BackwardArrays, *, overwrite: bool) -> None:
        """Write the gradients that are wanted."""
        self.call, problem = call, self.problem
        self._see_inputs(arrays)
        places = self._places(call, norms=arrays.norms is not None)
        memory = call.empty((places.size,), problem.dtype)
        call.clear(memory.address, places.counters * memory.dtype.itemsize)
        dy = None if arrays.dy is None else call.array(arrays.dy)
        d_final = [None if a is None else call.array(a) for a in arrays.d_final]
        each = problem.num_directions
        for number in reversed(range(problem.num_layers)):
            dx = given = None
            if number > 0 or arrays.dx is not None:
                columns = self.layers[number * each].columns
                given = arrays.dx if number == 0 and isinstance(arrays.dx, DeviceArray) else None
                dx = given or view(memory, places.gradients[number], problem.steps, problem.batch, columns)
            for direction in range(each):
                back = _LayerBackward(self, memory, places.layers[number * each + direction], number * each + direction)
                back.run(dy, d_final, arrays)
                back.write_parameters(arrays, places.parameters, overwrite=overwrite)
                back.write_start(arrays)
                if dx is not None:
                    adds = direction > 0 or (given is not None and problem.only_direction == 2)
                    back.write_input(dx, add=adds)
            dy = dx
        if arrays.dx is not None and not isinstance(arrays.dx, DeviceArray):
            assert dy is not None
            put(call, dy, arrays.dx, add=problem.only_direction == 2)

    def activations(self) -> dict[str, Array]:
        """Return post-activation gates by name, and "c" for cells that have it, in host memory."""
        return readings.activations(self.call, self.problem, self.layers, self.passes, self.plans)

    def _places(self, call: DeviceCall, *, norms: bool) -> arrangement.Backward:
        key = call.library is None, norms
        found = self._arranged.get(key) if self.plans[0].kept else None
        if found is None:
            counts, held = [len(plan.rows) for plan in self.plans], self.passes[-1].plan.holds
            found = arrangement.backward(call, self.problem, self.layers, counts, held, norms)
            if self.plans[0].kept:
                self._arranged[key] = found
        return found

    def _see_inputs(self, arrays: BackwardArrays) -> None:
        """See x and first states where they lie now: out of the way of results."""
        for p in self.passes:
            x: Any = arrays.x
            if p.is_on_x and isinstance(x, DeviceArray):
                p.x = p.x._replace(array=x if x.is_dense else copied(self.call, x))
            if p.start and any(isinstance(a, DeviceArray) for a in arrays.start):
                p.start = tuple(arrays.start)  # type: ignore[arg-type]


class _LayerBackward:
    """The backward of layer-direction k in a call's memory."""

    def __init__(self, recording: Recording, memory: DeviceArray, places: BackwardPlaces, k: int) -> None:
        self.call, self.problem, self.memory, self.places, self.k = recording.call, recording.problem, memory, places, k
        self.layer, self.p = recording.layers[k], recording.passes[k]
        self.direction = k % self.problem.num_directions
        self.plan = recording.plans[self.direction]

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
            arrays.norms[:, k] = readings.norms(self.call, self.p.plan, tables, self.problem.steps)

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
        numbers = p.count * self.layer.size
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
