"""PyTorch's modules on a CUDA device that is not there: their tensors, in host memory, count as the emulator's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

from null_device import tensors_on
from ptx_device import PtxDevice

from rnnfast.integrations.torch import on_cuda


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
