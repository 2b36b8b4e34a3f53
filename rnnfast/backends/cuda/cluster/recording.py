"""A call that ran in clusters, and its backward: layer after layer from the last."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from rnnfast.backends.contract import BackwardArrays
from rnnfast.backends.cuda.arrangement import view
from rnnfast.backends.cuda.cluster.layer_backward import LayerBackward
from rnnfast.backends.cuda.cluster.places import BackwardPlaces, backward_places
from rnnfast.backends.cuda.cluster.record import Record
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.problem import CELLS, Array


class ClusterRecording:
    """Layers of a call. Backward reads them alone, so that it can be had any number of times."""

    def __init__(
        self, call: DeviceCall, record: Record, arranged: dict[tuple[bool, bool, bool], BackwardPlaces]
    ) -> None:
        self.call, self.record, self.problem, self.recorded_on = call, record, record.problem, call.stream
        self._arranged = arranged
        """Places of backward calls, by what is wanted."""

    constants = None
    """What holds the arrays on the device that are no call's own: none are read."""

    def __deepcopy__(self, memo: dict[int, Any]) -> ClusterRecording:
        return copy.copy(self)

    def backward(self, call: DeviceCall, arrays: BackwardArrays, *, overwrite: bool) -> None:
        """Write the gradients that are wanted."""
        self.call, problem = call, self.problem
        places = self._places(arrays)
        memory = call.empty((places.size,), problem.dtype)
        dy = None if arrays.dy is None else call.array(arrays.dy)
        d_final = [None if a is None else call.array(a) for a in arrays.d_final]
        for number in reversed(range(problem.num_layers)):
            back = LayerBackward(call, self.record, memory, places, number, arrays)
            back.loop(dy, d_final)
            back.write_norms()
            back.write_parameters(overwrite=overwrite)
            dy = back.input_gradient()

    def _places(self, arrays: BackwardArrays) -> BackwardPlaces:
        wanted = self.call.library is None, arrays.norms is not None, arrays.d_parameters is not None
        found = self._arranged.get(wanted)
        if found is None:
            on_host, norms, parameters = wanted
            found = self._arranged[wanted] = backward_places(
                self.problem, self.record.sizes, on_host=on_host, norms=norms, parameters=parameters
            )
        return found

    def activations(self) -> dict[str, Array]:
        """Return post-activation gates by name, and "c" for cells that have it: (L·D, T, B, H), zero where not live."""
        cell, sizes, live = CELLS[self.problem.cell], self.record.sizes, self.record.live
        names = *cell.gates, *cell.states[1:]
        shape = len(self.record.layers) * sizes.directions, sizes.steps, sizes.batch, sizes.size
        found = {name: np.empty(shape, self.problem.dtype) for name in names}
        for number, layer in enumerate(self.record.layers):
            gates = self._read(layer.places.gates, sizes.directions, sizes.steps, sizes.batch, sizes.slots)
            for direction in range(sizes.directions):
                k = number * sizes.directions + direction
                for n, name in enumerate(cell.gates):
                    found[name][k] = gates[direction, ..., n * sizes.size : (n + 1) * sizes.size]
                if layer.places.c is not None:
                    c = self._read(layer.places.c, sizes.directions, sizes.steps + 1, sizes.batch, sizes.size)[
                        direction
                    ]
                    found["c"][k] = c[:-1] if self.problem.direction(k) else c[1:]
        if live is not None:
            for values in found.values():
                values[:, ~live.live] = 0
        return found

    def _read(self, place: int, *shape: int) -> Array:
        return self.call.host(view(self.record.memory, place, *shape))
