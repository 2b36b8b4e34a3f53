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
from rnnfast.backends.cuda.layer import Layer
from rnnfast.backends.cuda.layer_backward import LayerBackward
from rnnfast.backends.cuda.passes import Pass
from rnnfast.backends.cuda.plan import Plan
from rnnfast.backends.cuda.ragged import RaggedPlan
from rnnfast.problem import Array, Problem


class Recording:
    """Passes of a call by layer and direction. `plans`, one a direction, hold no outputs; arrays come time first.

    Can be deep-copied where backward, which makes gates gradients, shall have it twice.
    """

    def __init__(
        self, call: DeviceCall, problem: Problem, layers: Sequence[Layer], plans: Sequence[Plan | RaggedPlan],
        passes: Sequence[Pass], gates: int, arranged: dict[tuple[bool, ...], arrangement.Backward],
    ) -> None:  # fmt: skip
        self.call, self.problem, self.layers, self.plans, self.passes = call, problem, layers, plans, passes
        self.gates, self.recorded_on = gates, call.stream
        """The numbers of all gates, which stand at the beginning of the call's memory."""
        self._arranged = arranged
        """Places of backward calls that have room for all positions, by what is wanted."""

    @property
    def constants(self) -> Sequence[Plan | RaggedPlan]:
        """What holds the arrays on the device that are no call's own."""
        return self.plans

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
                k = number * each + direction
                what = self.layers[k], self.passes[k], self.plans[direction]
                back = LayerBackward(call, problem, memory, places.layers[k], *what)
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
        key = call.library is None, norms, self.passes[-1].plan.holds
        found = self._arranged.get(key)
        if found is None:
            rooms = [plan.room for plan in self.plans]
            found = arrangement.backward(call, self.problem, self.layers, rooms, key[2], norms)
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
