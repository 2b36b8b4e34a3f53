"""The runner of a net's calls: where its parameters are, on the CPU or on a CUDA device."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from rnnfast.integrations.torch import on_cuda
from rnnfast.integrations.torch.calls import Runner, runner_of
from rnnfast.net.description import Net
from rnnfast.net.parameters import Parameters


def runner_for(net: Net, parameters: Sequence[Tensor], num_threads: int) -> Runner:
    """Return what runs calls of a net with these parameters; on a device, as long as they lie where they are."""
    return _on_device(net, parameters, frozen=False) if on_cuda.is_there(parameters[0]) else runner_of(net, num_threads)


def frozen_runner(net: Net, weights: Sequence[Tensor], num_threads: int) -> Runner:
    """Return what runs calls of a net whose parameters are these for good; it keeps them."""
    if on_cuda.is_there(weights[0]):
        return _on_device(net, weights, frozen=True)
    arrays = dict(zip(net.shapes, [weight.numpy() for weight in weights], strict=True))
    return Runner(net, num_threads, Parameters(arrays, net))


def _on_device(net: Net, parameters: Sequence[Tensor], *, frozen: bool) -> Runner:
    from rnnfast.integrations.torch.device_calls import DeviceRunner  # which takes Numba
    from rnnfast.integrations.torch.device_forms import views_of

    return DeviceRunner(net, views_of(parameters, keep=frozen), parameters[0].device, frozen=frozen)
