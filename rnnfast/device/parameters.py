"""Parameters on a CUDA device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rnnfast.arrays import Memory
from rnnfast.backends import numba_cuda
from rnnfast.device.array import DeviceArray, on_device
from rnnfast.device.memory import DeviceMemory
from rnnfast.net import Net
from rnnfast.parameters import Parameters
from rnnfast.problem import Array


class DeviceParameters(Parameters):
    """Name -> array of Numba on the device. Pickles hold copies in host memory and return to a device."""

    place = "cuda"

    def __init__(self, arrays: dict[str, Any], net: Net) -> None:
        views: dict[str, Any] = {name: DeviceArray.of(array) for name, array in arrays.items()}
        super().__init__(views, net)
        self._views, self._arrays = views, arrays

    @property
    def frames(self) -> Mapping[str, Array]:
        """What tells where each of the arrays lies."""
        return {name: view.frame for name, view in self._views.items()}

    def memory(self, x: Any) -> Memory:
        """That of the library which x comes from."""
        return DeviceMemory(x, self.net.name)

    def check(self) -> None:
        """Nothing: these arrays' shapes cannot change under the views that kernels are given."""

    def on_host(self) -> dict[str, Array]:
        """Copies in host memory, by name."""
        work = numba_cuda.device().on(None)
        return {name: work.host(work.array(view)) for name, view in self._views.items()}

    def copy(self, *, writeable: bool = True) -> Parameters:
        """The same values in arrays of their own; nothing makes these read-only."""
        return on_device_with(self.on_host(), self.net)

    def _write(self, name: str, values: Array) -> None:
        work = numba_cuda.device().on(None)
        work.put(work.array(values), self._views[name], add=False)
        numba_cuda.device().wait(0)

    def _fitting(self, name: str, values: Any) -> Array:
        """Values from either place, on the host."""
        return super()._fitting(name, _on_host(values) if on_device(values) else values)

    def __reduce__(self) -> tuple[Any, ...]:
        return on_device_with, (self.on_host(), self.net)


def on_device_with(arrays: dict[str, Array], net: Net) -> DeviceParameters:
    """Parameters on the device with these values."""
    work, found = numba_cuda.device().on(None), {}
    for name, array in arrays.items():
        found[name] = numba_cuda.device().new(array.shape, array.dtype, 0)
        work.put(work.array(array), DeviceArray.of(found[name]), add=False)
    numba_cuda.device().wait(0)
    return DeviceParameters(found, net)


def _on_host(values: Any) -> Array:
    work, view = numba_cuda.device().on(None), DeviceArray.of(values)
    copy: Array = work.host(work.dense(view))
    return copy
