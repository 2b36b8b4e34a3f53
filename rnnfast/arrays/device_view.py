"""Arrays on a CUDA device as the host sees them: where they lie, never their numbers."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from rnnfast.problem import Array

ON_CUDA = (2, 13)
"""DLPack's numbers for memory that CUDA kernels reach: a device's, and managed memory."""


class DeviceArray:
    """Shape, strides and address of an array on a device, and views of it, as NumPy has them.

    NumPy's rules hold for views whatever library the array is of. Those of some refuse what NumPy allows: Numba's
    neither reshape an axis of one element whose stride is not a dense array's nor slice an array without elements.

    >>> class Described:
    ...     __cuda_array_interface__ = {"shape": (4, 3), "typestr": "<f4", "data": (4096, False), "version": 3}
    >>> DeviceArray.of(Described())[1:, None].shape
    (3, 1, 3)
    """

    __slots__ = ("_frame", "address", "dtype", "foreign", "owner", "shape", "strides")

    def __init__(
        self,
        address: int,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        dtype: np.dtype[Any],
        owner: Any,
        frame: Array | None = None,
    ) -> None:
        """`strides` are bytes. A backend may keep in `foreign` what another library than the owner's sees."""
        self.address, self.shape, self.strides, self.dtype = address, shape, strides, dtype
        self.owner, self._frame, self.foreign = owner, frame, None

    @classmethod
    def of(cls, owner: Any) -> DeviceArray:
        """Return the view of all of anything with `__cuda_array_interface__`, which is kept alive."""
        interface = owner.__cuda_array_interface__
        return cls._seen(np.asarray(_Described({**interface, "version": 3}, owner)), owner)

    @classmethod
    def _seen(cls, frame: Array, owner: Any) -> DeviceArray:
        address = frame.__array_interface__["data"][0]
        return cls(address, frame.shape, frame.strides, frame.dtype, owner, frame)

    @property
    def frame(self) -> Array:
        """A NumPy array at that address.

        It is for questions about layout and overlap only: reading its numbers from the host would end the process.
        """
        if self._frame is None:
            address = self.address if self.size else 0
            described = {"data": (address, False), "shape": self.shape, "strides": self.strides, "version": 3}
            self._frame = np.asarray(_Described({**described, "typestr": self.dtype.str}, self.owner))
        return self._frame

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes of its elements."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def is_dense(self) -> bool:
        """Whether it is C-contiguous; strides of axes with one element are of no account."""
        step = self.dtype.itemsize
        if self.strides == dense_strides(self.shape, step):  # as nearly all are
            return True
        for length, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if length != 1:
                if stride != step and self.size:
                    return False
                step *= length
        return True

    @property
    def is_aligned(self) -> bool:
        """Whether it begins at a multiple of its numbers' bytes, as kernels read them; one without numbers does."""
        return self.address % self.dtype.itemsize == 0 or self.size == 0

    def __getitem__(self, key: Any) -> DeviceArray:
        keys = key if isinstance(key, tuple) else (key,)
        if sum(isinstance(k, int) for k in keys) >= self.ndim:
            raise IndexError(f"{key} asks for a number of an array on a device, which only the device can read")
        return DeviceArray._seen(self.frame[keys], self.owner)

    def swapaxes(self, first: int, second: int) -> DeviceArray:
        """Return a view with two axes exchanged."""
        shape, strides = list(self.shape), list(self.strides)
        for axes in (shape, strides):
            axes[first], axes[second] = axes[second], axes[first]
        return DeviceArray(self.address, tuple(shape), tuple(strides), self.dtype, self.owner)

    def reshape(self, *shape: int) -> DeviceArray:
        """Return a view with another shape.

        Raises ValueError unless the array is C-contiguous: of others NumPy would make a copy, and read them for that.
        """
        if not self.is_dense:
            raise ValueError(f"strides {self.strides} for shape {self.shape} are not C-contiguous: copy it first")
        return DeviceArray._seen(self.frame.reshape(*shape), self.owner)

    def view(self) -> DeviceArray:
        """Return another one of the same memory."""
        return DeviceArray(self.address, self.shape, self.strides, self.dtype, self.owner)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        description = self.frame.__array_interface__  # which has no strides where the array is dense
        if self.size == 0:
            description["data"] = (0, False)
        return {**description, "version": 3, "stream": None}

    def __array__(self, *_: Any, **__: Any) -> Array:
        raise TypeError("an array on a CUDA device cannot be viewed by NumPy")


@functools.lru_cache(maxsize=4096)
def dense_strides(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return the strides in bytes of a C-contiguous array.

    >>> dense_strides((2, 5, 3), 4)
    (60, 12, 4)
    """
    return tuple(itemsize * math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


class _Described:
    """The description of an array that NumPy makes a frame of."""

    def __init__(self, interface: dict[str, Any], owner: Any) -> None:
        self.__array_interface__, self.owner = interface, owner


def on_device(value: Any) -> bool:
    """Return whether `value` says that it lies on a CUDA device."""
    if isinstance(is_cuda := getattr(value, "is_cuda", None), bool):
        return is_cuda  # a tensor of torch: of one that requires grad the rest says nothing
    if hasattr(value, "__cuda_array_interface__"):
        return True
    device = getattr(value, "__dlpack_device__", None)
    try:
        return device is not None and device()[0] in ON_CUDA
    except (BufferError, RuntimeError, TypeError, ValueError):  # it is nowhere that DLPack knows
        return False
