"""The time loops of one layer and direction on whichever tier was chosen for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rnnfast.backends.cuda.backward import backward_kernel
from rnnfast.backends.cuda.blocks import backward_shares, forward_shares
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.driver.launch import Launch
from rnnfast.backends.cuda.ends import Ends, Shown
from rnnfast.backends.cuda.forward import forward_kernel
from rnnfast.backends.cuda.layer_shape import LayerShape
from rnnfast.backends.cuda.passes import Pass
from rnnfast.backends.cuda.step_loops import backward_steps, forward_steps, write_final


def forward(call: DeviceCall, layer: LayerShape, p: Pass, shown: Shown, final: Sequence[int], counters: int) -> None:
    """Fill gates, r h, c and h of the state; write what is shown and the final states."""
    tier, block = layer.tier, layer.tier.block
    if block is None:
        forward_steps(call, layer, p, shown)
        write_final(call, layer, p, final)
        return
    constants = call.real, layer.cell, block, forward_shares(block, layer.cell, layer.size), p.places.mask is not None
    launch = _resident(call, layer, forward_kernel, constants)
    values = (*p.plan.loop(call, tier.groups), *layer.sizes, p.weights.hh.address, *p.state, *shown, *final)
    call.run(launch, *values, counters, tier.members, _word(call, layer))


def backward(
    call: DeviceCall, layer: LayerShape, p: Pass, d_shown: Shown, held: int, ends: Ends, counters: int
) -> None:
    """Make gates the gradients of their pre-activations, dh and dc those of the first states."""
    tier, block = layer.tier, layer.tier.block
    if block is None:
        backward_steps(call, layer, p, d_shown, held, ends)
        return
    constants = call.real, layer.cell, block, backward_shares(block, layer.cell, layer.size)
    launch = _resident(call, layer, backward_kernel, constants)
    values = (*p.plan.loop(call, tier.groups), *layer.sizes, p.weights.hh.address, *p.state, *d_shown, held, *ends)
    call.run(launch, *values, counters, tier.members, _word(call, layer))


def _word(call: DeviceCall, layer: LayerShape) -> int:
    """Return the address of the call's word for waits in vain, 0 where blocks wait for none."""
    return call.word().address if layer.tier.members > 1 else 0


def _resident(call: DeviceCall, layer: LayerShape, make: Any, constants: tuple[Any, ...]) -> Launch:
    """Return the layer's launch of a kernel of resident blocks, all of which run at once."""
    launch = layer.launches.get(make)
    if launch is None:
        tier = layer.tier
        assert tier.block is not None
        kernel = call.device.kernel(make, *constants, threads=tier.block.threads)
        launch = kernel.launch(tier.groups * tier.members, cooperative=tier.members > 1)
        layer.launches[make] = launch
    return launch
