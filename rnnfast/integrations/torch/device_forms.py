"""Tensors of a net whose parameters are on a CUDA device: which are taken, and as the backend sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda import devices
from rnnfast.backends.cuda.libraries import library_of
from rnnfast.calls.prepared import INFERENCE
from rnnfast.integrations.torch.around import is_saving_seen, refuse_transforms
from rnnfast.integrations.torch.forms import Forms
from rnnfast.net.description import Net

_address = Tensor.data_ptr
_is_captured: Any = torch._C._cuda_isCurrentStreamCapturing if torch._C._has_cuda else bool
"""Whether a CUDA graph is made of what the current stream is given."""


class DeviceForms(Forms):
    """Forms of tensors of a net whose parameters lie where `views` of them say."""

    def __init__(self, net: Net, views: Sequence[DeviceArray], device: torch.device, *, frozen: bool) -> None:
        Forms.__init__(self, net)
        self.device, self.place, self.is_frozen, self.views = device, str(device), frozen, views
        self.places = [view.address for view in views]
        self.library: Any = library_of(devices.device(), torch.empty(0, device=device))

    def is_here(self, tensor: Tensor) -> bool:
        """Return whether a tensor is on the device."""
        return bool(tensor.device == self.device)

    def fits(self, parameters: Sequence[Tensor]) -> bool:
        """Return whether these are the net's parameters, where they lay. Raises RuntimeError under transforms."""
        refuse_transforms()
        return self.are_parameters(parameters) and self.are_in_place(parameters)

    def are_parameters(self, parameters: Sequence[Tensor]) -> bool:
        """Return whether these are parameters of the net, wherever they lie."""
        return super().fits(parameters)

    def are_in_place(self, parameters: Sequence[Tensor]) -> bool:
        """Return whether parameters lie where the net's do; of one that is frozen no call brings any."""
        return self.is_frozen or [*map(_address, parameters)] == self.places

    def declines(self, how: int, *, cut: bool = False) -> str | None:
        """Return why a call, of which steps may be cut, is left to PyTorch's own code just now; None: it is run."""
        if torch.is_autocast_enabled(self.device.type):
            return "autocast is on, under which PyTorch's own code runs on a CUDA device"
        if _is_captured():
            return "a CUDA graph is being captured, which PyTorch's own code can be part of"
        if how != INFERENCE and is_saving_seen():
            return "hooks of saved tensors are active, which PyTorch's own code heeds on a CUDA device"
        if how != INFERENCE and cut:
            return "memory= and truncate= cut calls on the CPU alone"
        return None

    def seen(self, tensor: Tensor | None) -> DeviceArray | None:
        """Return a tensor as the backend sees it; None for None."""
        if tensor is None:
            return None
        found: DeviceArray = self.library.seen(tensor) or self.library.seen(tensor.as_subclass(Tensor))
        return found


def views_of(parameters: Sequence[Tensor], *, keep: bool) -> list[DeviceArray]:
    """Return parameters as the backend sees them; their memory is theirs alone, unless they are to be kept.

    Whoever calls brings the parameters, so that they are there while they are needed, and no longer. Raises
    RuntimeError under transforms.
    """
    refuse_transforms()
    library: Any = library_of(devices.device(), parameters[0])
    views = [library.seen(parameter) for parameter in parameters]
    return views if keep else [DeviceArray(v.address, v.shape, v.strides, v.dtype, None) for v in views]
