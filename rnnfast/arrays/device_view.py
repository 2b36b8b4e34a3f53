"""Arrays on a CUDA device as the host sees them: where they lie, never their numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.problem import Array

ON_CUDA = (2, 13)
"""DLPack's numbers for memory that CUDA kernels reach: a device's, and managed memory."""


class DeviceArray:
    """Shape, strides and address of an array, and views of it, as NumPy has them.

    `frame` is a NumPy array at that address: for questions about layout and overlap only, as reading its numbers from
    the host would end the process.
    """

    __slots__ = ("frame", "owner")

    def __init__(self, frame: Array, owner: Any) -> None:
        self.frame, self.owner = frame, owner

    @classmethod
    def of(cls, owner: Any) -> DeviceArray:
        """That of anything with `__cuda_array_interface__`, which is kept alive."""
        interface = owner.__cuda_array_interface__
        return cls(np.asarray(_Described({**interface, "version": 3}, owner)), owner)

    @property
    def shape(self) -> tuple[int, ...]:
        """As NumPy's."""
        return self.frame.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """As NumPy's."""
        return self.frame.dtype

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.frame.size

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.frame.ndim

    def __getitem__(self, key: Any) -> DeviceArray:
        keys = key if isinstance(key, tuple) else (key,)
        if sum(isinstance(k, int) for k in keys) >= self.ndim:
            raise IndexError(f"{key} asks for a number of an array on a device, which only the device can read")
        return DeviceArray(self.frame[keys], self.owner)

    def swapaxes(self, first: int, second: int) -> DeviceArray:
        """A view with two axes exchanged."""
        return DeviceArray(self.frame.swapaxes(first, second), self.owner)

    def reshape(self, *shape: int) -> DeviceArray:
        """A view with another shape; for contiguous arrays, of which no copy is needed."""
        assert self.frame.flags.c_contiguous
        return DeviceArray(self.frame.reshape(*shape), self.owner)

    def view(self) -> DeviceArray:
        """Another one of the same memory."""
        return DeviceArray(self.frame.view(), self.owner)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        description = self.frame.__array_interface__
        if self.frame.size == 0:
            description["data"] = (0, False)
        return {**description, "version": 3, "stream": None}

    def __array__(self, *_: Any, **__: Any) -> Array:
        raise TypeError("an array on a CUDA device cannot be viewed by NumPy")


class _Described:
    """What NumPy makes a frame of."""

    def __init__(self, interface: dict[str, Any], owner: Any) -> None:
        self.__array_interface__, self.owner = interface, owner


def on_device(value: Any) -> bool:
    """Whether `value` says that it lies on a CUDA device."""
    if isinstance(is_cuda := getattr(value, "is_cuda", None), bool):
        return is_cuda  # a tensor of torch: of one that requires grad the rest says nothing
    if hasattr(value, "__cuda_array_interface__"):
        return True
    device = getattr(value, "__dlpack_device__", None)
    try:
        return device is not None and device()[0] in ON_CUDA
    except (BufferError, RuntimeError, TypeError, ValueError):  # it is nowhere that DLPack knows
        return False
