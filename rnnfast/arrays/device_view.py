"""Arrays on a CUDA device as the host sees them: where they lie, never their numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.problem import Array

ON_CUDA = (2, 13)
"""DLPack's numbers for memory that CUDA kernels reach: a device's, and managed memory."""


class DeviceArray:
    """Shape, strides and address of an array on a device, and views of it, as NumPy has them.

    NumPy's rules hold for views whatever library the array is of. Those of some refuse what NumPy allows: Numba's
    neither reshape an axis of one element whose stride is not a dense array's nor slice an array without elements.

    `frame` is a NumPy array at that address: for questions about layout and overlap only, as reading its numbers from
    the host would end the process.

    >>> class Described:
    ...     __cuda_array_interface__ = {"shape": (4, 3), "typestr": "<f4", "data": (4096, False), "version": 3}
    >>> DeviceArray.of(Described())[1:, None].shape
    (3, 1, 3)
    """

    __slots__ = ("argument", "frame", "owner")

    def __init__(self, frame: Array, owner: Any, argument: Any = None) -> None:
        """`argument` is the array as kernels take it; None: a backend makes that, and keeps it here."""
        self.frame, self.owner, self.argument = frame, owner, argument

    @classmethod
    def of(cls, owner: Any, argument: Any = None) -> DeviceArray:
        """Return the view of all of anything with `__cuda_array_interface__`, which is kept alive."""
        interface = owner.__cuda_array_interface__
        return cls(np.asarray(_Described({**interface, "version": 3}, owner)), owner, argument)

    @property
    def shape(self) -> tuple[int, ...]:
        """Like NumPy's."""
        return self.frame.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Like NumPy's."""
        return self.frame.dtype

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.frame.size

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.frame.ndim

    @property
    def is_dense(self) -> bool:
        """Whether it is C-contiguous; strides of axes with one element are of no account."""
        return self.frame.flags.c_contiguous

    def __getitem__(self, key: Any) -> DeviceArray:
        keys = key if isinstance(key, tuple) else (key,)
        if sum(isinstance(k, int) for k in keys) >= self.ndim:
            raise IndexError(f"{key} asks for a number of an array on a device, which only the device can read")
        return DeviceArray(self.frame[keys], self.owner)

    def swapaxes(self, first: int, second: int) -> DeviceArray:
        """Return a view with two axes exchanged."""
        return DeviceArray(self.frame.swapaxes(first, second), self.owner)

    def reshape(self, *shape: int) -> DeviceArray:
        """Return a view with another shape.

        Raises ValueError unless the array is C-contiguous: of others NumPy would make a copy, and read them for that.
        """
        if not self.is_dense:
            raise ValueError(f"strides {self.frame.strides} for shape {self.shape} are not C-contiguous: copy it first")
        return DeviceArray(self.frame.reshape(*shape), self.owner)

    def view(self) -> DeviceArray:
        """Return another one of the same memory."""
        return DeviceArray(self.frame.view(), self.owner, self.argument)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        description = self.frame.__array_interface__  # which has no strides where the array is dense
        if self.frame.size == 0:
            description["data"] = (0, False)
        return {**description, "version": 3, "stream": None}

    def __array__(self, *_: Any, **__: Any) -> Array:
        raise TypeError("an array on a CUDA device cannot be viewed by NumPy")


class _Described:
    """The description of an array that NumPy makes a frame of."""

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
