"""A whole net on a device, prepared for calls: layer after layer, direction after direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.contract import ForwardArrays
from rnnfast.backends.cuda import arrangement
from rnnfast.backends.cuda.arrangement import view
from rnnfast.backends.cuda.copies import put
from rnnfast.backends.cuda.device import Device
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.ends import NOTHING_SHOWN, shown_of
from rnnfast.backends.cuda.layer import Layer
from rnnfast.backends.cuda.passes import Pass
from rnnfast.backends.cuda.plan import Plan, make_plan, plan_for
from rnnfast.backends.cuda.recording import Recording
from rnnfast.backends.cuda.rows import pick, rows_of, table
from rnnfast.backends.cuda.uploads import Uploads
from rnnfast.problem import Problem


class Net:
    """Layers of one form of call, by layer and direction. Arrays come time first."""

    def __init__(self, device: Device, problem: Problem) -> None:
        count = problem.num_layers * problem.num_directions
        self.layers = [Layer(device, problem, k) for k in range(count)]
        self._meet = any(layer.tier.members > 1 for layer in self.layers)
        """Whether blocks of any of them wait for one another."""
        self._arranged: dict[tuple[bool, ...], arrangement.Forward] = {}
        """Places of calls in which all rows are live, by whether callers are in host memory."""
        self._arranged_back: dict[tuple[bool, ...], arrangement.Backward] = {}
        """The same of their backward calls, by that and by what else is wanted."""
        self._uploads = Uploads()

    def forward(self, call: DeviceCall, problem: Problem, arrays: ForwardArrays) -> Recording:
        """Write y and the final states; `problem` has the call's lengths, mask, resets and dropout seed."""
        plans, top_plans = _plans(call, problem)
        weights = self._uploads.weights(call, problem)
        on_host = not isinstance(arrays.y, DeviceArray)
        places = self._places(problem, plans, on_host)
        memory = call.empty((places.size,), problem.dtype)
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

    def _places(self, problem: Problem, plans: Sequence[Plan], on_host: bool) -> arrangement.Forward:
        known = self._arranged.get((on_host,)) if plans[0].kept else None
        if known is None:
            known = arrangement.forward(problem, self.layers, [len(plan.rows) for plan in plans], on_host)
            if plans[0].kept:
                self._arranged[on_host,] = known
        return known


def _plans(call: DeviceCall, problem: Problem) -> tuple[list[Plan], list[Plan]]:
    """Return the plans of each direction, and those of the last layer, whose outputs may be held."""
    directions = [problem.direction(d) for d in range(problem.num_directions)]
    plans = [plan_for(call, problem, direction) for direction in directions]
    if problem.masked_output != "hold" or all(plan.kept or plan.live.all() for plan in plans):
        return plans, plans
    return plans, [make_plan(problem, d, hold=True) for d in directions]
