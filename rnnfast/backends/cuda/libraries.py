"""The libraries whose arrays come in: new arrays of theirs, their stream, their matrix product."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from rnnfast.backends.cuda.product import Matrix


class Library(Protocol):
    """What a call needs of the library that x comes from."""

    number: int | None
    """The device of x; None: the library has only the current one."""

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """A new C-contiguous array on the device."""

    def stream(self) -> int:
        """The caller's stream now, as CUDA's handle; 0: the default one."""

    def add_product(self, a: Matrix, b: Matrix, c: Matrix, m: int, n: int, depth: int) -> bool:
        """C (m, n) += A (m, depth) B; False where the library has no product."""


class Torch:
    """PyTorch: its caching allocator, its current stream, cuBLAS. TF32 is used only where torch was told to."""

    def __init__(self, device: Any) -> None:
        import torch

        self.torch, self.device, self.number = torch, device, device.index

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """A tensor."""
        return self.torch.empty(shape, dtype=getattr(self.torch, dtype.name), device=self.device)

    def stream(self) -> int:
        """That of `torch.cuda.stream` contexts."""
        return int(self.torch.cuda.current_stream(self.device).cuda_stream)

    def add_product(self, a: Matrix, b: Matrix, c: Matrix, m: int, n: int, depth: int) -> bool:
        """By addmm."""
        with self.torch.no_grad():
            left, right, to = self._tensor(a, m, depth), self._tensor(b, depth, n), self._tensor(c, m, n)
            to.addmm_(left, right)
        return True

    def _tensor(self, a: Matrix, rows: int, columns: int) -> Any:
        flat = self.torch.as_tensor(a.array, device=self.device)
        return flat.as_strided((rows, columns), (a.row, a.column), a.begin)


class CuPy:
    """CuPy: its memory pool, its current stream, cuBLAS."""

    def __init__(self, device: Any) -> None:
        import cupy

        self.cupy, self.device, self.number = cupy, device, device.id

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """An array, from the pool of the device of x."""
        with self.device:
            return self.cupy.empty(shape, dtype)

    def stream(self) -> int:
        """That of `with stream:` contexts."""
        return int(self.cupy.cuda.get_current_stream().ptr)

    def add_product(self, a: Matrix, b: Matrix, c: Matrix, m: int, n: int, depth: int) -> bool:
        """By matmul, and an addition."""
        to = self._view(c, m, n)
        to += self.cupy.matmul(self._view(a, m, depth), self._view(b, depth, n))
        return True

    def _view(self, a: Matrix, rows: int, columns: int) -> Any:
        flat, item = self.cupy.asarray(a.array)[a.begin :], a.array.dtype.itemsize
        return self.cupy.lib.stride_tricks.as_strided(flat, (rows, columns), (a.row * item, a.column * item))


class Plain:
    """Numba's arrays, and whatever else describes itself by `__cuda_array_interface__`: results are Numba's."""

    number: int | None = None

    def __init__(self, device: Any, stream: int | None) -> None:
        self.device, self.handle = device, stream or 0

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """A device array of Numba."""
        return self.device.new(shape, dtype, self.handle)

    def stream(self) -> int:
        """That on which the array became ready."""
        return self.handle

    def add_product(self, a: Matrix, b: Matrix, c: Matrix, m: int, n: int, depth: int) -> bool:
        """There is none."""
        return False


def library_of(device: Any, x: Any) -> Library:
    """That of an array on the device."""
    makers = {kind.__module__.partition(".")[0] for kind in type(x).__mro__}
    if "torch" in makers:
        return Torch(x.device)
    if "cupy" in makers:
        return CuPy(x.device)
    return Plain(device, stream_of(x))


def stream_of(x: Any) -> int | None:
    """The stream on which an array becomes ready, None if that does not matter; 0 the default one, which is also 1."""
    handle = x.__cuda_array_interface__.get("stream")
    return 0 if handle == 1 else handle
