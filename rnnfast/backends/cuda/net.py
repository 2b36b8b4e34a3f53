"""A whole net on a device, prepared for calls: layer after layer, direction after direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.contract import ForwardArrays
from rnnfast.backends.cuda import arrangement
from rnnfast.backends.cuda.arrangement import view
from rnnfast.backends.cuda.choices import Choices
from rnnfast.backends.cuda.copies import put
from rnnfast.backends.cuda.device import Device
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.ends import NOTHING_SHOWN, shown_of
from rnnfast.backends.cuda.layer import Layer
from rnnfast.backends.cuda.passes import Pass
from rnnfast.backends.cuda.plan import Plan, plan_for
from rnnfast.backends.cuda.ragged import Ragged, RaggedPlan
from rnnfast.backends.cuda.recording import Recording
from rnnfast.backends.cuda.rows import pick, rows_of, table
from rnnfast.backends.cuda.uploads import Uploads
from rnnfast.problem import Array, Problem

Plans = Sequence[Plan | RaggedPlan]


class Net:
    """Layers of one form of call, by layer and direction. Arrays come time first."""

    def __init__(self, device: Device, problem: Problem) -> None:
        count = problem.num_layers * problem.num_directions
        self.layers = [Layer(device, problem, k) for k in range(count)]
        self._meet = any(layer.tier.members > 1 for layer in self.layers)
        """Whether blocks of any of them wait for one another."""
        self._arranged: dict[tuple[bool, int], arrangement.Forward] = {}
        """Places of calls, by whether callers are in host memory and by bytes of tables."""
        self._arranged_back: dict[tuple[bool, ...], arrangement.Backward] = {}
        """The same of their backward calls, by what is wanted."""
        self._uploads = Uploads()
        self._shape, self._holds = (problem.steps, problem.batch), problem.masked_output == "hold"
        self._directions = tuple([problem.direction(d) for d in range(problem.num_directions)])
        tier = self.layers[0].tier
        self._of_rows: dict[str, Any] = {"groups": tier.groups, "hold": self._holds, "by_step": tier.block is None}
        self._choices = Choices(self.layers, problem.steps, record=problem.record)

    def live(self, lengths: Array | None, mask: Array | None, resets: Array | None) -> Ragged | None:
        """Return the rows of a call that has any of these; None where there are no steps at all."""
        if not self._shape[0] * self._shape[1]:
            return None
        return Ragged(self._shape, self._directions, lengths, mask, resets, **self._of_rows)

    def form(self, live: Ragged | None) -> tuple[Any, ...] | None:
        """Return what calls of ragged rows have in common that launch the same kernels; None: there may be no other."""
        return None if live is None else self._choices.form(live)

    def forward(self, call: DeviceCall, problem: Problem, arrays: ForwardArrays, live: Ragged | None) -> Recording:
        """Write y and the final states; `problem` has the call's dropout seed. `live` None: every step is."""
        plans: Plans = [
            plan_for(call, problem, direction) if live is None else RaggedPlan(live, number)
            for number, direction in enumerate(self._directions)
        ]
        weights = self._uploads.weights(call, problem)
        on_host = not isinstance(arrays.y, DeviceArray)
        places = self._places(problem, len(plans), 0 if live is None else live.size, on_host)
        memory = call.empty((places.size,), problem.dtype)
        if live is not None:
            live.bring(call, memory.address + places.tables * problem.dtype.itemsize)
        top_plans = [plan.held() if self._holds and isinstance(plan, RaggedPlan) else plan for plan in plans]
        if self._meet:
            item, first, last = problem.dtype.itemsize, places.counters[0], places.counters[-1]
            call.clear(memory.address + first * item, (last + self.layers[-1].counters - first) * item)
        each, below = problem.num_directions, len(self.layers) - problem.num_directions
        passes = [
            Pass(k, (top_plans if k >= below else plans)[k % each], weights[k], memory, places.layers[k])
            for k in range(len(self.layers))
        ]
        start = tuple([None if a is None else call.array(a) for a in arrays.start])
        final: list[Any] = [a if isinstance(a, DeviceArray) else None for a in arrays.final]
        if on_host:
            shape = len(self.layers), problem.batch, problem.hidden_size
            final = [view(memory, place, *shape) for place in places.final]
        x: DeviceArray = call.array(arrays.x)
        for number in range(problem.num_layers):
            y: Any = arrays.y if number == problem.num_layers - 1 and not on_host else None
            if y is None:
                shape = problem.steps, problem.batch, each * problem.hidden_size
                y = view(memory, places.outputs[number], *shape)
            of_layer = passes[number * each : (number + 1) * each]
            for p in of_layer:
                p.start = start
            self._layer_forward(call, problem, of_layer, x, y, final, places.counters, memory)
            x = y
        if on_host:
            put(call, x, arrays.y, add=False)
            for found, to in zip(final, arrays.final, strict=False):
                if to is not None:
                    put(call, found, to, add=False)
        return Recording(call, problem, self.layers, plans, passes, places.gates, self._arranged_back)

    def _layer_forward(
        self, call: DeviceCall, problem: Problem, passes: Sequence[Pass], x: DeviceArray, y: Any,
        final: Sequence[DeviceArray | None], counters: Sequence[int], memory: DeviceArray,
    ) -> None:  # fmt: skip
        """Run one layer's directions on x (T, B, ·), and write y (T, B, D·H)."""
        plan = passes[0].plan
        direct = not plan.holds and (plan.kept or y.is_dense)
        if direct and not plan.kept:
            call.clear(y.address, y.nbytes)
        for direction, p in enumerate(passes):
            layer, column = self.layers[p.k], direction * problem.hidden_size
            shown = shown_of(y, column, backwards=problem.direction(p.k) == 1) if direct else NOTHING_SHOWN
            ends = [0 if a is None else a.address + p.k * a.strides[0] for a in final]
            counter = memory.address + counters[p.k] * memory.dtype.itemsize
            layer.forward(call, problem, p, x, shown, (*ends, 0, 0)[:2], counter)
            p.is_on_x = p.is_on_x and p.k < len(passes)
            if not direct:
                index, positions = p.plan.on(call, "shown"), problem.steps * problem.batch
                source = table(p.at(p.places.h), p.count, layer.size)
                pick(call, source, index, positions, rows_of(y, column), layer.size)

    def _places(self, problem: Problem, directions: int, tables: int, on_host: bool) -> arrangement.Forward:
        """Return the places of a call with room for all positions, and bytes of tables."""
        known = self._arranged.get((on_host, tables))
        if known is None:
            rooms = [problem.steps * problem.batch] * directions
            known = self._arranged[on_host, tables] = arrangement.forward(problem, self.layers, rooms, tables, on_host)
        return known
