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
from rnnfast.calls.prepared import Engine, Prepared
from rnnfast.integrations.torch.calls import Runner
from rnnfast.integrations.torch.device_form import DeviceForm
from rnnfast.integrations.torch.device_forms import DeviceForms, views_of
from rnnfast.net.brought import Viewed
from rnnfast.net.description import Net


class DeviceRunner(DeviceForms, Runner):
    """The forms of call of one net with its parameters where they lie: where these lie elsewhere another is needed."""

    def __init__(self, net: Net, views: Sequence[DeviceArray], device: torch.device, *, frozen: bool) -> None:
        """`views`: of the parameters; `frozen`: these never change and are kept, calls bring none."""
        DeviceForms.__init__(self, net, views, device, frozen=frozen)
        own = Viewed(dict(zip(net.shapes, views, strict=True)), net)
        self.engine = Engine(net, own, select("cuda", "cuda", net.cell), frozen=frozen)
        self._forms = {}

    def _form(self, prepared: Prepared, how: int) -> Any:
        def moved(parameters: Sequence[Tensor]) -> DeviceForm:
            views = views_of(parameters, keep=False)
            found: DeviceForm = DeviceRunner(self.net, views, self.device, frozen=False).form(how, prepared.x_shape)
            return found

        return DeviceForm(self, prepared, how, moved)

    def time_major(self) -> Runner:
        """Return what runs the net's calls on (T, B, I)."""
        return self._time_major if self.net.batch_first else self

    @functools.cached_property
    def _time_major(self) -> Runner:
        return DeviceRunner(replace(self.net, batch_first=False), self.views, self.device, frozen=self.is_frozen)
