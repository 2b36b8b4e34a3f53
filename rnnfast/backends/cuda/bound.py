"""A call of the CUDA backend prepared: all but its numbers is settled."""

from __future__ import annotations

import copy
import threading
from dataclasses import replace
from typing import Any

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.arrays.layout import Layout
from rnnfast.backends.contract import BackwardArrays, ForwardArrays
from rnnfast.backends.cuda import readings
from rnnfast.backends.cuda.call_arrays import those_there, time_first, time_first_back
from rnnfast.backends.cuda.cluster.live import Live
from rnnfast.backends.cuda.cluster.net import ClusterNet
from rnnfast.backends.cuda.cluster.places import memory_of_record
from rnnfast.backends.cuda.cluster.recording import ClusterRecording
from rnnfast.backends.cuda.cluster.room import clusters_at_once, reason_against_clusters, tile_rows
from rnnfast.backends.cuda.device import Device
from rnnfast.backends.cuda.device_call import DeviceCall, Launches
from rnnfast.backends.cuda.libraries import WithoutProducts
from rnnfast.backends.cuda.net import Net
from rnnfast.backends.cuda.ragged import Ragged
from rnnfast.backends.cuda.reach import check_reach
from rnnfast.backends.cuda.recording import Recording
from rnnfast.backends.cuda.repeats import Repeated, Repeats
from rnnfast.backends.cuda.replay import Replay
from rnnfast.backends.cuda.script import LAUNCHES_MOST
from rnnfast.backends.cuda.shapes import CELLS
from rnnfast.backends.cuda.tiers import clusters
from rnnfast.problem import Array, Problem

Reserve = Recording | ClusterRecording | Repeated
GIVEN = ("x", "y", "h0", "c0", "h_n", "c_n", "lengths", "mask", "resets", "reserve", "library")
"""Fields of a problem that every run brings anew."""
AnyLive = Live | Ragged | None


class Bound:
    """Calls of one problem with one layout, on NumPy's arrays or on arrays of a library on the device.

    Its `run`, `backward` and the rest are the contract's; a reserve is the call's `Recording`. Launches are prepared
    once; threads take turns to start them.
    """

    def __init__(self, device: Device, problem: Problem, layout: Layout) -> None:
        """Raises ValueError for more steps and rows than kernels count."""
        check_reach(problem, device.limits)
        nothing: dict[str, Any] = dict.fromkeys(GIVEN)
        self.device, self.problem, self.layout = device, replace(problem, **nothing), layout
        if problem.frozen and problem.cache is None:
            self.problem.cache = {}
        self._is_as_given = layout == Layout()
        """Whether callers' arrays have all axes, time first."""
        self._drops = bool(problem.dropout or problem.input_dropout or problem.recurrent_dropout)
        self._nets: dict[bool, Net | ClusterNet] = {}
        """By whether outputs are held, which clusters do not: of one that holds them there may be two."""
        self._launches: Launches = {}
        self._repeats = Repeats(self._forward, recorded=problem.record)
        self._ran: str | None = None
        """Which tiers calls ran on that come again."""
        self._turn = threading.Lock()

    def run(self, arrays: ForwardArrays, dropout_seed: int = 0) -> Reserve | None:
        """Write y and the final states; return what backward needs where the problem is recorded."""
        if not self._is_as_given:
            arrays = time_first(self.layout, arrays)
        library, rows = arrays.library, arrays[4:7]
        ragged = not (rows[0] is rows[1] is rows[2] is None)
        with self.device.current(), self._turn:
            call = DeviceCall(self.device, library, self.problem.dtype, self._launches)
            self.device.driver.check_waits(call.stream)
            repeats = not self._drops and library is not None
            if repeats and not ragged:
                found = self._repeats.forward(call, arrays)
            else:
                net = self._net(ragged=ragged)
                live = net.live(*rows) if ragged or isinstance(net, ClusterNet) else None
                form = net.form(live) if repeats and live is not None else None  # type: ignore[arg-type]
                if form is not None:
                    found = self._repeats.forward(call, arrays, live, form)
                else:
                    found = _forward(net, call, self._with(dropout_seed), arrays, live)
        return found if self.problem.record else None

    def capture(self, arrays: ForwardArrays) -> Replay:
        """Run a call for just these arrays, of which all steps are live, and return what starts it again.

        Products are all of our own kernels. Raises RuntimeError where it cannot be captured.
        """
        if not self._is_as_given:
            arrays = time_first(self.layout, arrays)
        with self.device.current(), self._turn:
            library = WithoutProducts(arrays.library)
            call = DeviceCall(self.device, library, self.problem.dtype, self._launches)
            self.device.driver.check_waits(call.stream)
            script = self._repeats.script(call, arrays)
            if script is None:
                raise RuntimeError(
                    f"this call cannot be captured, as a rule as it is more than {LAUNCHES_MOST} launches: call the net"
                )
            return Replay(call, script, those_there(*arrays[:2], *arrays.start, *arrays.final))

    def _forward(self, call: DeviceCall, arrays: ForwardArrays, live: AnyLive) -> Recording | ClusterRecording:
        """Run a call without dropout, of which `live` says which rows are live, all if it is None."""
        return _forward(self._net(ragged=live is not None), call, self.problem, arrays, live)

    def _with(self, dropout_seed: int) -> Problem:
        """Return the problem with a call's dropout seed."""
        problem = copy.copy(self.problem)
        problem.dropout_seed = dropout_seed
        return problem

    def _net(self, *, ragged: bool) -> Net | ClusterNet:
        """Return the net for a call, prepared where it is the first of its kind."""
        holds = ragged and self.problem.masked_output == "hold"
        found = self._nets.get(holds)
        if found is None:
            in_clusters = self._against(holds=holds) is None
            found = self._in_clusters(ragged=ragged) if in_clusters else Net(self.device, self.problem)
            self._nets[holds] = found
        return found

    def _in_clusters(self, *, ragged: bool) -> ClusterNet:
        at_once = clusters_at_once(self.device, self.problem, ragged=ragged)
        return ClusterNet(self.problem, tile_rows(self.problem.batch, self.problem.num_directions, at_once))

    def _against(self, *, holds: bool) -> str | None:
        """Return why calls, which may hold outputs, are none for clusters, None where they are."""
        return reason_against_clusters(self.device, self.problem, holds=holds)

    def backward(self, reserve: Reserve, arrays: BackwardArrays, *, overwrite: bool = True, keep: bool = False) -> None:
        """Write the gradients, on the caller's stream of now; with overwrite=False add those of the parameters.

        Consumes the reserve or, with `keep`, a copy of it.
        """
        if not self._is_as_given:
            arrays = time_first_back(self.layout, arrays)
        reserve.call.check()
        if keep:
            reserve = copy.deepcopy(self._whole(reserve))
        with self.device.current(), self._turn:
            call = reserve.call.again()
            self.device.driver.check_waits(call.stream)
            reserve.backward(call, arrays, overwrite=overwrite)
            if call.stream != reserve.recorded_on:  # whose memory is given back now, for others to use
                call.wait()

    def activations(self, reserve: Reserve) -> dict[str, Array]:
        """Return post-activation gates by name, and "c" for cells that have it, in host memory."""
        with self.device.current(), self._turn:
            return reserve.activations()

    def reserve_bytes(self) -> int:
        """Return the bytes of the arrays that a reserve holds on the device where every step is live."""
        problem, on_host = self.problem, not isinstance(self.problem.weight_ih[0], DeviceArray)
        with self.device.current():
            against = self._against(holds=False)
        if against is None:
            return memory_of_record(problem, on_host=on_host)
        cell = CELLS[problem.cell]
        entries, numbers = problem.steps * problem.batch, 0
        units = problem.hidden_size * (cell.slots + cell.states + len(cell.phases) - 1)
        first = problem.batch * problem.hidden_size * (cell.states + (problem.recurrent_dropout > 0))
        for k, (ih, hh) in enumerate(zip(problem.weight_ih, problem.weight_hh, strict=True)):
            above = problem.first_layer + k // problem.num_directions > 0
            masks = (problem.dropout if above else problem.input_dropout) > 0
            numbers += entries * (units + ih.shape[1] * (1 + masks)) + ih.size + hh.size + first
        return problem.dtype.itemsize * numbers + 8 * entries * len(problem.weight_ih)

    def ran(self, reserve: Reserve | None) -> str:
        """Return which tiers the layers ran on, and why; "" of a call that records nothing."""
        if reserve is None:
            return ""
        if not isinstance(reserve, Repeated):
            return self._tiers(reserve)
        if self._ran is None:
            self._ran = self._tiers(self._whole(reserve))
        return self._ran

    def _whole(self, reserve: Reserve) -> Recording | ClusterRecording:
        """Return the recording of a call that a script ran, another as it is."""
        if not isinstance(reserve, Repeated):
            return reserve
        with self.device.current(), self._turn:  # launches are looked at
            found: Recording | ClusterRecording = reserve.recording()
        return found

    def _tiers(self, reserve: Recording | ClusterRecording) -> str:
        if isinstance(reserve, ClusterRecording):
            sizes = reserve.record.sizes
            tier = clusters(sizes.size, sizes.batch, sizes.tile_rows)
            return f"tier {tier.name}: {tier.reason}"
        with self.device.current():
            against = self._against(holds=False) or self._against(holds=True)
        return f"{readings.tiers(reserve.layers)}; {against}"


def _forward(
    net: Net | ClusterNet, call: DeviceCall, problem: Problem, arrays: ForwardArrays, live: AnyLive
) -> Recording | ClusterRecording:
    return net.forward(call, problem, arrays, live)  # type: ignore[arg-type]
