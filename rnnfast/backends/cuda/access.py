"""Access to a caller's arrays on a CUDA device for checks and results, as `rnnfast.arrays.host` has it for the host."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from rnnfast.arrays.device_view import DeviceArray, on_device
from rnnfast.backends.cuda import devices
from rnnfast.backends.cuda.copies import copied
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.libraries import Library, known_library, library_of, number_of, stream_of
from rnnfast.checks.arrays import check_target, is_strided
from rnnfast.problem import Array

_KNOWN: dict[tuple[Any, str], DeviceAccess] = {}
"""Of libraries that serve one device each, by what messages call a net."""


class DeviceAccess:
    """One call's arrays on a device: the library that x comes from makes its results, on the caller's stream."""

    def __init__(self, library: Library, number: int | None, owner: str) -> None:
        """`number`: the device of x, where it is known. Raises ValueError where it is another than the net's."""
        self.owner, self.library = owner, library
        self._check_number("x", number)

    @classmethod
    def to(cls, x: Any, owner: str) -> DeviceAccess:
        """Return the access that the library of x offers, to a net that messages call `owner`.

        Raises TypeError where x is in host memory, ValueError where it is on another device.
        """
        library = known_library(x)
        if library is not None:
            found = _KNOWN.get((library, owner))
            if found is None:
                found = _KNOWN[library, owner] = cls(library, library.number, owner)
            return found
        device, value = devices.device(), _device_value("x", x, owner)
        library = library_of(device, value)
        number = number_of(device, value)
        return cls(library, library.number if number is None else number, owner)

    def as_array(self, name: str, value: Any) -> DeviceArray:
        """Return a view of `value`. Raises TypeError where it is in host memory, ValueError on another device."""
        if type(value) is DeviceArray:
            return value
        seen = self.library.seen(value)
        if seen is not None:
            return seen
        value = _device_value(name, value, self.owner)
        self._check_number(name, number_of(devices.device(), value))
        ready, device = stream_of(value), devices.device()
        if ready not in (None, self.library.stream()):
            with device.current():
                device.wait(ready)
        return DeviceArray.of(value)

    def on_host(self, name: str, value: Any) -> Any:
        """Return `value`, copied to the host if it is on the device, for which the stream is waited for."""
        if value is None or not on_device(value):
            return value
        with devices.device().current():
            return self._call().host(self.dense(self.as_array(name, value)))

    def fixed(self, name: str, value: Any, *, dense: bool = False) -> DeviceArray:
        """Return a view of what is read in place again and again, as a state if `dense`.

        Raises as `as_array`, and ValueError where calls take a copy.
        """
        _check_not_negated(name, value)
        array = self.as_array(name, value)
        if (self.dense if dense else self.strided)(array) is not array:
            raise ValueError(f"{name} has strides {array.strides}, which calls copy: pass a C-contiguous array")
        return array

    def new(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> DeviceArray:
        """Return a view of a new array of the library, its owner."""
        return self.library.new(shape, dtype)

    def new_each(self, shapes: Sequence[tuple[int, ...]], dtype: np.dtype[Any]) -> list[DeviceArray]:
        """Return the same of several, in one piece of memory where it can be cut up."""
        return self.library.pieces(shapes, dtype)

    def result(self, array: DeviceArray) -> Any:
        """Return the array of the library that a new one is a view of."""
        return array.owner

    def check_output(
        self, name: str, out: Any, shape: tuple[int, ...], dtype: np.dtype[Any], owner: str, *, dense: bool
    ) -> Any:
        """Return `out` if results can be written straight into it; raises as the host's."""
        _check_not_negated(name, out)
        check_target(name, self.as_array(name, out).frame, shape, dtype, owner, dense=dense)
        return out

    def strided(self, array: DeviceArray) -> DeviceArray:
        """Return `array` if kernels can walk it, by the rule of the host's backends, else a copy of it."""
        plain = array.is_dense and array.is_aligned  # seen without NumPy, which takes longer
        return array if plain or is_strided(array.frame) else self._copied(array)

    def dense(self, array: DeviceArray) -> DeviceArray:
        """Return `array` if it is aligned and C-contiguous, else a copy that is."""
        return array if array.is_dense and array.is_aligned else self._copied(array)

    def apart(self, array: Any, outputs: Iterable[Any]) -> Any:
        """Return `array`, copied if it may overlap an output."""
        if not isinstance(array, DeviceArray):
            return array
        overlaps = any(np.may_share_memory(array.frame, self.frame(out)) for out in outputs)
        return self._copied(array) if overlaps else array

    def frame(self, array: Any) -> Array:
        """Return where an array lies, as a NumPy array that nobody may read."""
        return self.as_array("an array", array).frame

    def _check_number(self, name: str, given: int | None) -> None:
        """Raise ValueError where an array is known to be on another device than the net."""
        used = devices.device().number
        if given not in (None, used):
            raise ValueError(
                f"{name} is on CUDA device {given}, this {self.owner} on device {used}, the one in use: copy "
                f'{name} there, with PyTorch by .to("cuda:{used}"), or start Python with CUDA_VISIBLE_DEVICES={given}'
            )

    def _call(self) -> DeviceCall:
        return DeviceCall(devices.device(), self.library)

    def _copied(self, array: DeviceArray) -> DeviceArray:
        with devices.device().current():
            return copied(self._call(), array)


def _device_value(name: str, value: Any, owner: str) -> Any:
    """Return `value` as something with `__cuda_array_interface__`. Raises TypeError where it is in host memory."""
    if not on_device(value):
        raise TypeError(
            f"{name}, a {type(value).__name__}, is in host memory, while this {owner}'s parameters are on the "
            'CUDA device: copy it there, or move the parameters back with .to("cpu")'
        )
    return device_value(name, value)


def device_value(name: str, value: Any) -> Any:
    """Return what is on the device as something with `__cuda_array_interface__`, detached from a graph of torch's.

    What torch negates when it reads it is a copy.
    """
    if getattr(value, "requires_grad", False) is True:
        value = value.detach()
    if is_negated(value):
        value = value.resolve_neg()
    return value if hasattr(value, "__cuda_array_interface__") else _imported(name, value)


def is_negated(value: Any) -> bool:
    """Return whether memory holds the negatives of a tensor's numbers, as of imaginary parts of conjugates."""
    return getattr(value, "is_neg", bool)() is True


def _check_not_negated(name: str, value: Any) -> None:
    """Raise ValueError for a tensor of which only a copy has the numbers."""
    if is_negated(value):
        raise ValueError(f"{name} is a tensor that torch negates when it reads it: pass {name}.resolve_neg()")


def _imported(name: str, value: Any) -> Any:
    """Return what speaks DLPack alone as an array of CuPy or torch."""
    for library in ("cupy", "torch"):
        try:
            return importlib.import_module(library).from_dlpack(value)
        except ImportError:
            continue
    raise TypeError(
        f"{name}, a {type(value).__name__}, has no __cuda_array_interface__, and to take it by DLPack CuPy or torch is "
        "needed: install one of them"
    )
