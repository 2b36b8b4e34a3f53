"""A net by clusters, prepared for calls: layer after layer."""

from __future__ import annotations

from typing import Any

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.contract import ForwardArrays
from rnnfast.backends.cuda.arrangement import view
from rnnfast.backends.cuda.cluster.frames import Frames
from rnnfast.backends.cuda.cluster.launch import forward_launch
from rnnfast.backends.cuda.cluster.layer_forward import LayerForward
from rnnfast.backends.cuda.cluster.live import Live
from rnnfast.backends.cuda.cluster.places import BackwardPlaces, ForwardPlaces, forward_places
from rnnfast.backends.cuda.cluster.record import Layer, Record
from rnnfast.backends.cuda.cluster.recording import ClusterRecording
from rnnfast.backends.cuda.cluster.sequence import near
from rnnfast.backends.cuda.cluster.sides import sides_of_products
from rnnfast.backends.cuda.cluster.sizes import sizes_of
from rnnfast.backends.cuda.copies import put
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.uploads import Uploads
from rnnfast.problem import Array, Problem


class ClusterNet:
    """Layers of one form of call, by clusters of `tile_rows` rows. Arrays come time first."""

    def __init__(self, problem: Problem, tile_rows: int) -> None:
        self.sizes, self._uploads = sizes_of(problem, tile_rows), Uploads()
        self._directions = tuple([problem.direction(d) for d in range(problem.num_directions)])
        self._widths = tuple({weight.shape[1] for weight in problem.weight_ih})
        self._masked, self._recorded = problem.recurrent_dropout > 0, problem.record
        self._places: dict[tuple[bool, int], ForwardPlaces] = {}
        """By whether callers are in host memory, and the room of tables of rows that differ."""
        self._places_back: dict[tuple[bool, bool, bool], BackwardPlaces] = {}
        """Of backward calls, by what is wanted."""
        self._frames = Frames()
        self._loops: dict[bool, Any] = {}
        """Launches, by whether rows are ragged."""

    def live(self, lengths: Array | None, mask: Array | None, resets: Array | None) -> Live | None:
        """Return the tables of a call with these; None where all rows are live at all times.

        Not so under recurrent dropout, whose factors only kernels for uneven rows read.
        """
        if lengths is None and mask is None and resets is None and not self._masked:
            return None
        sizes = self.sizes
        return Live((sizes.steps, sizes.batch), self._directions, lengths, mask, resets, sizes.tile_rows)

    def form(self, live: Live | None) -> tuple[Any, ...] | None:
        """Return what calls of ragged rows have in common that launch the same kernels; None where no step is live."""
        if live is None or not live.numbers[0]:
            return None
        return *live.has, sides_of_products(self.sizes, self._widths, live.numbers[0], recorded=self._recorded)

    def forward(self, call: DeviceCall, problem: Problem, arrays: ForwardArrays, live: Live | None) -> ClusterRecording:
        """Write y and the final states; `problem` has the call's dropout seed."""
        on_host = not isinstance(arrays.y, DeviceArray)
        places = self._arranged(problem, live, on_host)
        memory = call.empty((places.size,), problem.dtype)
        tables = {} if live is None else live.bring(call, memory.address + 4 * places.tables)
        sizes, weights = self.sizes, self._uploads.weights(call, problem)
        start = [None if a is None else call.array(a) for a in arrays.start]
        final: list[Any] = list(arrays.final)
        if on_host:
            count = problem.num_layers * sizes.directions
            final = [view(memory, place, count, sizes.batch, sizes.size) for place in places.final]
        x, layers = near(call, call.array(arrays.x)), []
        for number in range(problem.num_layers):
            top = number == problem.num_layers - 1
            y: Any = arrays.y
            if on_host or not top:
                y = view(memory, places.outputs[number], sizes.steps, sizes.batch, sizes.directions * sizes.size)
            of_layer = weights[number * sizes.directions : (number + 1) * sizes.directions]
            run = LayerForward(sizes, call, problem, memory, places, number, of_layer, live, tables, self._frames)
            x = run.dropped(x)
            run.products(x)
            run.loop(self._loop(problem, ragged=live is not None), y, start, final)
            layers.append(Layer(x, number > 0 or run.own.x is not None, run.own, of_layer, run.mask))
            x = y
        if on_host:
            for found, to in ((x, arrays.y), *zip(final, arrays.final, strict=False)):
                if to is not None:
                    put(call, found, to, add=False)
        return ClusterRecording(
            call, Record(problem, sizes, memory, layers, live, tables, self._frames), self._places_back
        )

    def _arranged(self, problem: Problem, live: Live | None, on_host: bool) -> ForwardPlaces:
        room = 0 if live is None else live.room
        found = self._places.get((on_host, room))
        if found is None:
            found = forward_places(problem, self.sizes, room, on_host=on_host)
            self._places[on_host, room] = found
        return found

    def _loop(self, problem: Problem, *, ragged: bool) -> Any:
        found = self._loops.get(ragged)
        if found is None:
            sizes = self.sizes
            found = self._loops[ragged] = forward_launch(
                problem.cell, sizes.size, sizes.batch, sizes.directions,
                ragged=ragged, recorded=problem.record, tile_rows=sizes.tile_rows,
            )  # fmt: skip
        return found
