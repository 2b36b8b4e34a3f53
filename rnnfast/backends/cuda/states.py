"""States and their gradients on a device: arrays (L·D, B, H) of the caller, and each layer-direction's part."""

from __future__ import annotations

from collections.abc import Sequence

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda.copies import put
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.layer import Layer
from rnnfast.backends.cuda.rows import pick
from rnnfast.problem import Array, Problem


def of_layer(
    call: DeviceCall, problem: Problem, given: Sequence[DeviceArray | None], k: int | None = None
) -> tuple[DeviceArray, DeviceArray]:
    """Return h and c (B, H) of layer-direction k, zeros where none is given; no rows of what no state is.

    `k` None: `given` is of one layer-direction alone.
    """
    found, shape = [], (problem.batch, problem.hidden_size)
    for n in range(len(problem.states)):
        a = given[n] if n < len(given) else None
        found.append(call.zeros(shape, problem.dtype) if a is None else a if k is None else a[k])
    nothing = [call.device.nothing(shape[1], problem.dtype)] * (2 - len(found))
    h, c = [*found, *nothing]
    return h, c


def move_start(layer: Layer, start: Sequence[Array | DeviceArray | None], k: int) -> None:
    """Let a layer see its first states where the caller's arrays (L·D, B, H) on the device lie now."""
    gates, *first, mask, operand, c, h = layer.recurrence.state
    for n, a in enumerate(start):
        if isinstance(a, DeviceArray):
            first[n] = a[k]
    layer.recurrence.state = (gates, *first, mask, operand, c, h)


def write_final(layer: Layer, wanted: Sequence[Array | DeviceArray | None]) -> None:
    """Write the states after all steps, h or h and c (B, H), where they are wanted."""
    for n, to in enumerate(wanted):
        if isinstance(to, DeviceArray):
            layer.final(n, to)
        elif to is not None:
            final = layer.empty(layer.batch)
            layer.final(n, final)
            put(layer.call, final, to, add=False)


def final_gradients(layer: Layer, given: Sequence[DeviceArray]) -> list[DeviceArray]:
    """Return copies of the final states' gradients, for the time loops to change; what became zeros has none."""
    found, alive = [], layer.plan.on(layer.call, "alive")
    for d in given:
        found.append(layer.empty(d.shape[0]))
        pick(layer.call, d, alive[: d.shape[0]], found[-1])
    return found
