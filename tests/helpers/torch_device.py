"""PyTorch's modules on a CUDA device that is not there: their tensors, in host memory, count as the emulator's."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import torch
from null_device import tensors_on
from ptx_device import PtxDevice
from torch_layers import normal

import rnnfast.integrations.torch as rft
from rnnfast.integrations.torch import on_cuda

KINDS: dict[str, Callable[..., Any]] = {
    "lstm": torch.nn.LSTM,
    "gru": torch.nn.GRU,
    "tanh": torch.nn.RNN,
    "relu": lambda *sizes, **options: torch.nn.RNN(*sizes, nonlinearity="relu", **options),
}


@contextmanager
def modules_on(device: Any) -> Iterator[Any]:
    """Within it all tensors in host memory count as tensors on this device."""
    with tensors_on(device), mock.patch.object(on_cuda, "is_there", lambda tensor: True):
        yield device


def device_with_clusters() -> PtxDevice:
    """A device on which small nets run in clusters, which reaches torch's memory."""
    device = PtxDevice()
    device.limits = replace(device.limits, threads=8, words=(1,), shared=1024, blocks=5)
    device.global_memory.trusting = True
    return device


def made(kind: str, **options: Any) -> tuple[Any, Any]:
    """A module and an accelerated copy; clusters take 16 units of a cell without gates."""
    torch.manual_seed(0)
    module = KINDS[kind](3, 5 if kind in ("lstm", "gru") else 16, **options)
    return module, rft.accelerate(copy.deepcopy(module))


def state_of(module: Any, batch: int) -> Any:
    count = module.num_layers * (2 if module.bidirectional else 1)
    h, c = (normal(count, batch, module.hidden_size, seed=seed) for seed in (1, 2))
    return (h, c) if isinstance(module, torch.nn.LSTM) else h


def step(*modules: Any) -> None:
    """Change parameters in place, all modules' alike."""
    with torch.no_grad():
        for parameters in zip(*[module.parameters() for module in modules], strict=True):
            change = 0.1 * torch.randn(parameters[0].shape)
            for parameter in parameters:
                parameter += change
