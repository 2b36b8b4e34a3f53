"""Sequences (T, B, ·) on a device and the entries of a layer, rows of them in the order of its visits."""

from __future__ import annotations

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.layer import Layer
from rnnfast.backends.cuda.rows import held_kernel, pick, scale_kernel
from rnnfast.problem import Array, Problem


def entries(call: DeviceCall, x: DeviceArray, layer: Layer) -> DeviceArray:
    """Return what of x (T, B, I) the layer's entries see, (n, I): x itself, where that is no different."""
    width = x.shape[2]
    if x.is_dense and layer.plan.is_all and layer.x_mask is None:
        return x.reshape(layer.count, width)
    rows = call.empty((layer.count, width), x.dtype)
    pick(call, x, layer.plan.on(call, "positions"), rows)
    if layer.x_mask is not None:
        call.launch_over(layer.count * width, scale_kernel, (), rows, layer.x_mask)
    return rows


def target(call: DeviceCall, wanted: Array | DeviceArray | None, problem: Problem, width: int) -> DeviceArray:
    """Return where kernels write a (T, B, width) result: where it is wanted at once, if that is on the device."""
    if isinstance(wanted, DeviceArray):
        return wanted
    return call.empty((problem.steps, problem.batch, width), problem.dtype)


def output_gradient(layer: Layer, dy: DeviceArray, problem: Problem, k: int) -> DeviceArray:
    """Return dL/dh' (n, H) by way of y, from dy (T, B, D·H)."""
    call, plan, d = layer.call, layer.plan, layer.empty(layer.count)
    step = -problem.batch if problem.direction(k) else problem.batch
    first, index, repeats = (
        k % problem.num_directions * layer.size,
        plan.on(call, "positions"),
        plan.on(call, "repeats"),
    )
    call.launch_over(layer.count * layer.size, held_kernel, (), dy, first, index, repeats, step, d)
    return d


def input_gradient(layer: Layer) -> DeviceArray:
    """Return dL/dx (n, I), before dropout on x."""
    d = layer.input_gradient()
    if layer.x_mask is not None:
        layer.call.launch_over(d.size, scale_kernel, (), d, layer.x_mask)
    return d
