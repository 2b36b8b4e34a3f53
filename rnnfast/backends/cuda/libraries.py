"""The libraries whose arrays come in: new arrays of theirs, their stream, their matrix product."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from rnnfast.arrays.device_view import ON_CUDA, DeviceArray
from rnnfast.backends.cuda.device import Device
from rnnfast.backends.cuda.matrix import Matrix
from rnnfast.backends.cuda.tensors import Torch


class Library(Protocol):
    """The library that x comes from, as a call needs it."""

    number: int | None
    """The device of x; None: the library has only the current one."""

    def new(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> DeviceArray:
        """Return a new C-contiguous array; its owner is an array of the library."""

    def pieces(self, shapes: Sequence[tuple[int, ...]], dtype: np.dtype[Any]) -> list[DeviceArray]:
        """Return new arrays, each as `new` does, in one piece of memory where the library's arrays can share one."""

    def stream(self) -> int:
        """Return the caller's stream now, as CUDA's handle; 0: the default one."""

    def seen(self, value: Any) -> DeviceArray | None:
        """Return a view of an array of the library's, on the device of x; None: `value` is none, or must be asked."""

    def product(self, a: Matrix, b: Matrix, c: Matrix, m: int, n: int, depth: int, add: bool) -> bool:
        """Make C (m, n) the product of A (m, depth) and B, or add that to it; return False where there is none."""


class CuPy:
    """CuPy: its memory pool, its current stream, cuBLAS."""

    def __init__(self, device: Any) -> None:
        import cupy

        self.cupy, self.device, self.number = cupy, device, device.id

    def new(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> DeviceArray:
        """Return a view of a new array from the pool of the device of x."""
        with self.device:
            return DeviceArray.of(self.cupy.empty(shape, dtype))

    def pieces(self, shapes: Sequence[tuple[int, ...]], dtype: np.dtype[Any]) -> list[DeviceArray]:
        """Return an array for each."""
        return [self.new(shape, dtype) for shape in shapes]

    def stream(self) -> int:
        """Return the stream of `with stream:` contexts."""
        return int(self.cupy.cuda.get_current_stream().ptr)

    def seen(self, value: Any) -> DeviceArray | None:
        """Return None."""
        return None

    def product(self, a: Matrix, b: Matrix, c: Matrix, m: int, n: int, depth: int, add: bool) -> bool:
        """Use matmul, and an addition."""
        to, found = self._view(c, m, n), self.cupy.matmul(self._view(a, m, depth), self._view(b, depth, n))
        to[...] = to + found if add else found
        return True

    def _view(self, a: Matrix, rows: int, columns: int) -> Any:
        flat, item = self.cupy.asarray(a.array).reshape(-1)[a.begin :], a.array.dtype.itemsize
        return self.cupy.lib.stride_tricks.as_strided(flat, (rows, columns), (a.row * item, a.column * item))


class Plain:
    """Numba's arrays, and whatever else describes itself by `__cuda_array_interface__`: results are Numba's."""

    number: int | None = None

    def __init__(self, device: Device, stream: int | None) -> None:
        self.device, self.handle = device, stream or 0

    def new(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> DeviceArray:
        """Return a view of a new array of Numba's."""
        return self.device.new(shape, dtype, self.handle)

    def pieces(self, shapes: Sequence[tuple[int, ...]], dtype: np.dtype[Any]) -> list[DeviceArray]:
        """Return an array for each."""
        return [self.new(shape, dtype) for shape in shapes]

    def stream(self) -> int:
        """Return the stream on which the array became ready."""
        return self.handle

    def seen(self, value: Any) -> DeviceArray | None:
        """Return None."""
        return None

    def product(self, a: Matrix, b: Matrix, c: Matrix, m: int, n: int, depth: int, add: bool) -> bool:
        """Do nothing: there is none."""
        return False


class WithoutProducts:
    """A library whose products are not taken, so that a call is launches of ours alone."""

    def __init__(self, library: Library) -> None:
        self.number, self.new, self.pieces = library.number, library.new, library.pieces
        self.stream, self.seen = library.stream, library.seen

    def product(self, a: Matrix, b: Matrix, c: Matrix, m: int, n: int, depth: int, add: bool) -> bool:
        """Do nothing: there is none."""
        return False


def known_library(x: Any) -> Library | None:
    """Return the library of a tensor on a device of torch's; None: x must be looked at."""
    if _maker_of(x.__class__) != "torch" or not getattr(x, "is_cuda", False) or x.requires_grad:
        return None
    found: Library = _torch_on(x.device)
    return found


def library_of(device: Device, x: Any) -> Library:
    """Return the library of an array on the device."""
    maker = _maker_of(x.__class__)
    if maker == "torch":
        return _torch_on(x.device)
    if maker == "cupy":
        return CuPy(x.device)
    return Plain(device, stream_of(x))


def number_of(device: Device, x: Any) -> int | None:
    """Return the device that an array is on, as torch, CuPy, the driver or DLPack tell; None: nobody knows."""
    maker = _maker_of(x.__class__)
    if maker is not None:
        number: int = x.device.index if maker == "torch" else x.device.id
        return number
    address = x.__cuda_array_interface__["data"][0]
    found = device.driver.number_of(address) if address else None
    if found is not None:
        return found
    try:
        kind, number = x.__dlpack_device__()
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError):  # it is nowhere that DLPack knows
        return None
    return number if kind == ON_CUDA[0] else None


@functools.cache
def _maker_of(kind: type) -> str | None:
    """Return which of the libraries that are known here a class comes from; None: of no matter."""
    makers = {each.__module__.partition(".")[0] for each in kind.__mro__}
    return next((name for name in ("torch", "cupy") if name in makers), None)


_torch_on = functools.cache(Torch)


def stream_of(x: Any) -> int | None:
    """Return the stream on which an array becomes ready; None: no matter, 0: the default one, which is also 1."""
    handle = x.__cuda_array_interface__.get("stream")
    return 0 if handle == 1 else handle
