"""A device's memory that is the host's: what stands in for a CUDA device where arrays are concerned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from unittest import mock
from weakref import WeakSet

import numpy as np

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends import choose
from rnnfast.backends.cuda import backend as numba_cuda
from rnnfast.backends.cuda import devices
from rnnfast.problem import Array


class EmulatedArray:
    """An array in memory that the emulator's threads reach and NumPy, for all it is told, does not.

    It stands for a library's array and so offers nothing but its description: what libraries' own methods refuse
    differs from NumPy's (test_cuda_numba_arrays.py has Numba's), and none of them may be needed.
    """

    alive = WeakSet["EmulatedArray"]()
    """All that there are."""

    def __init__(self, memory: Array, stream: int | None = None) -> None:
        self.memory, self.stream = memory, stream
        self.alive.add(self)

    shape = property(lambda self: self.memory.shape)
    dtype = property(lambda self: self.memory.dtype)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        described = {**self.memory.__array_interface__, "version": 3, "stream": self.stream}
        return described | ({} if self.memory.size else {"data": (0, False)})  # as of a device's empty arrays


class DeviceMemory:
    """The part of `rnnfast.backends.cuda.device.Device` that makes and moves arrays."""

    number = 0

    def __init__(self) -> None:
        self.plans: dict[tuple[int, int, int], Any] = {}

    def new(self, shape: tuple[int, ...], dtype: Any, stream: int) -> DeviceArray:
        """Return an array that nobody has written to."""
        return _seen(np.full(shape, np.nan if np.dtype(dtype).kind == "f" else -7, dtype))

    def upload(self, a: Array, stream: int) -> DeviceArray:
        """Return a copy."""
        return _seen(np.array(a, order="C"))

    def download(self, a: DeviceArray, stream: int) -> Array:
        """Return a copy; as of a device's, of what is contiguous."""
        assert a.is_dense
        return a.frame.copy()

    def constant(self, values: tuple[Any, ...], dtype: Any) -> DeviceArray:
        """Return an array of these values."""
        return _seen(np.array(values, dtype))

    def wait(self, stream: int) -> None:
        """Do nothing: everything is done."""

    def wait_for_all(self) -> None:
        """Do nothing: everything is done."""

    def current(self) -> AbstractContextManager[None]:
        """Return a context that changes nothing: there is no other device."""
        return nullcontext()


@contextmanager
def in_place_of_the_device(device: Any) -> Iterator[None]:
    """Within it the CUDA backend runs on what stands in for a device."""
    choices = choose._explicit, choose._automatic
    for choice in choices:
        choice.cache_clear()
    with (
        mock.patch.object(numba_cuda, "reason", lambda variant=None, cell=None: numba_cuda._lacks(cell)),
        mock.patch.object(devices, "device", lambda: device),
    ):
        yield
    for choice in choices:
        choice.cache_clear()


def _seen(memory: Array) -> DeviceArray:
    return DeviceArray.of(EmulatedArray(memory))
