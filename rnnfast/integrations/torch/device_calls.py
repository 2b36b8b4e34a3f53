"""Calls of a net whose parameters are tensors on a CUDA device, by the cuda backend, on the caller's stream."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.choose import select
from rnnfast.backends.cuda import devices
from rnnfast.backends.cuda.libraries import library_of
from rnnfast.calls.prepared import INFERENCE, Engine, Prepared
from rnnfast.integrations.torch.calls import Runner
from rnnfast.integrations.torch.device_form import DeviceForm
from rnnfast.integrations.torch.forms import Forms
from rnnfast.integrations.torch.saving import is_saving_seen
from rnnfast.net.brought import Viewed
from rnnfast.net.description import Net

_address = Tensor.data_ptr
_is_captured: Any = torch._C._cuda_isCurrentStreamCapturing if torch._C._has_cuda else bool
"""Whether a CUDA graph is made of what the current stream is given."""


class DeviceRunner(Runner):
    """The forms of call of one net with its parameters where they lie: where these lie elsewhere another is needed."""

    def __init__(self, net: Net, views: Sequence[DeviceArray], device: torch.device, *, frozen: bool) -> None:
        """`views`: of the parameters."""
        Forms.__init__(self, net)
        self.device, self.place, self.is_frozen, self._views = device, str(device), frozen, views
        self.places = [view.address for view in views]
        self.library: Any = library_of(devices.device(), torch.empty(0, device=device))
        own = Viewed(dict(zip(net.shapes, views, strict=True)), net)
        self.engine = Engine(net, own, select("cuda", "cuda", net.cell), frozen=frozen)
        self._forms = {}

    def is_here(self, tensor: Tensor) -> bool:
        """Return whether a tensor is on the device."""
        return tensor.device == self.device

    def fits(self, parameters: Sequence[Tensor]) -> bool:
        """Return whether these are the net's parameters, where they lay."""
        return self.are_parameters(parameters) and self.are_in_place(parameters)

    def are_parameters(self, parameters: Sequence[Tensor]) -> bool:
        """Return whether these are parameters of the net, wherever they lie."""
        return super().fits(parameters)

    def are_in_place(self, parameters: Sequence[Tensor]) -> bool:
        """Return whether parameters lie where the net's do; of one that is frozen no call brings any."""
        return self.is_frozen or [*map(_address, parameters)] == self.places

    def moved(self, parameters: Sequence[Tensor]) -> DeviceRunner:
        """Return what runs the net with parameters that fit but lie elsewhere."""
        return DeviceRunner(self.net, views_of(parameters, keep=False), self.device, frozen=False)

    def declines(self, how: int, *, cut: bool = False) -> str | None:
        """Return why a call is not run just now."""
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

    def time_major(self) -> Runner:
        """Return what runs the net's calls on (T, B, I)."""
        return self._time_major if self.net.batch_first else self

    @functools.cached_property
    def _time_major(self) -> Runner:
        return DeviceRunner(replace(self.net, batch_first=False), self._views, self.device, frozen=self.is_frozen)

    def _form(self, prepared: Prepared, how: int) -> Any:
        return DeviceForm(self, prepared, how)


def views_of(parameters: Sequence[Tensor], *, keep: bool) -> list[DeviceArray]:
    """Return parameters as the backend sees them; their memory is theirs alone, unless they are to be kept.

    Whoever calls brings the parameters, so that they are there while they are needed, and no longer.
    """
    library: Any = library_of(devices.device(), parameters[0])
    views = [library.seen(parameter) for parameter in parameters]
    return views if keep else [DeviceArray(v.address, v.shape, v.strides, v.dtype, None) for v in views]
