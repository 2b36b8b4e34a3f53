"""Parameters on a CUDA device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rnnfast.arrays.access import Access
from rnnfast.arrays.device_view import DeviceArray, on_device
from rnnfast.backends.cuda import devices
from rnnfast.backends.cuda.access import DeviceAccess, device_value
from rnnfast.backends.cuda.copies import copied, put
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.movable import check_movable
from rnnfast.net.description import Net
from rnnfast.net.parameters import Parameters
from rnnfast.problem import Array


class DeviceParameters(Parameters):
    """Name -> array of Numba on the device. Pickles hold copies in host memory and return to a device."""

    device = "cuda"

    def __init__(self, arrays: dict[str, Any], net: Net, *, writeable: bool = True) -> None:
        views: dict[str, Any] = {name: DeviceArray.of(array) for name, array in arrays.items()}
        super().__init__(views, net)
        self._views, self._arrays, self._writeable = views, arrays, writeable

    @property
    def frames(self) -> Mapping[str, Array]:
        """Frames that tell where each of the arrays lies."""
        return {name: view.frame for name, view in self._views.items()}

    def access(self, x: Any) -> Access:
        """Return the access that the library of x offers."""
        return DeviceAccess.to(x, self.net.name)

    def check(self) -> None:
        """Do nothing: these arrays' shapes cannot change under the views that kernels are given."""

    def on_host(self) -> dict[str, Array]:
        """Return copies in host memory, by name, of what they are when all that was started is done."""
        return {name: _on_host(view) for name, view in self._views.items()}

    def copy(self, *, writeable: bool = True) -> Parameters:
        """Return the same values in arrays of their own; `writeable` is for assignment and loading."""
        return on_device_with(self.on_host(), self.net, writeable=writeable)

    def _write(self, name: str, values: Array) -> None:
        if not self._writeable:
            raise ValueError(f"{name} is read-only, as are all parameters of a frozen net")
        with _settled() as call:
            put(call, call.array(values), self._views[name], add=False)

    def _fitting(self, name: str, values: Any) -> Array:
        """Return values from either side, on the host."""
        if on_device(values):
            values = _on_host(DeviceArray.of(device_value(name, values)))
        return super()._fitting(name, values)

    def __reduce__(self) -> tuple[Any, ...]:
        return on_device_with, (self.on_host(), self.net)


def on_device_with(arrays: dict[str, Array], net: Net, *, writeable: bool = True) -> DeviceParameters:
    """Return parameters on the device with these values. Raises RuntimeError, saying why, where there is no device."""
    check_movable(net.cell)
    with _settled() as call:
        found = {name: call.array(array).owner for name, array in arrays.items()}
    return DeviceParameters(found, net, writeable=writeable)


@contextmanager
def _settled() -> Iterator[DeviceCall]:
    """Wait for work on all streams before and after what is rare and may follow, or be followed by, any of it."""
    device = devices.device()
    with device.current():
        device.wait_for_all()
        yield DeviceCall(device, None)
        device.wait_for_all()


def _on_host(view: DeviceArray) -> Array:
    with _settled() as call:
        return call.host(view if view.is_dense else copied(call, view))
