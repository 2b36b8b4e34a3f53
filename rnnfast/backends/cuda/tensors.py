"""PyTorch as the library that arrays come from: tensors seen, made and multiplied, each in microseconds."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnfast.arrays.device_view import DeviceArray, dense_strides
from rnnfast.backends.cuda.matrix import Matrix
from rnnfast.backends.cuda.workspace import Workspace

FORMS_KEPT = 4096
"""Forms of tensors that are remembered before all are forgotten."""


class Torch:
    """PyTorch: its caching allocator, its current stream, cuBLAS. TF32 is used only where torch was told to."""

    def __init__(self, device: Any) -> None:
        import torch

        self.torch, self.device, self.number = torch, device, device.index
        self._plain = torch.Tensor, torch.nn.Parameter  # whose memory is what it seems
        self._ours: dict[Any, Any] = {torch.float32: np.dtype("float32"), torch.float64: np.dtype("float64")}
        self._like: dict[tuple[tuple[int, ...], np.dtype[Any]], tuple[Any, tuple[int, ...]]] = {}
        """Tensors of one number, seen as of a shape, and its strides: torch makes such another soonest."""
        self._raw_stream = getattr(torch._C, "_cuda_getCurrentRawStream", None)
        self._forms: dict[Any, tuple[Any, ...]] = {}
        """Of tensors on this device, by what torch says of their form: shape, strides in bytes and dtype."""

    def new(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> DeviceArray:
        """Return a view of a new tensor."""
        like, strides = self._like.get((shape, dtype)) or self._kept_like(shape, dtype)
        made = self.torch.empty_like(like, memory_format=self.torch.contiguous_format)
        return DeviceArray(made.data_ptr(), shape, strides, dtype, made)

    def _kept_like(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[Any, tuple[int, ...]]:
        if len(self._like) >= FORMS_KEPT:
            self._like.clear()
        one = self.torch.empty((), dtype=getattr(self.torch, dtype.name), device=self.device)
        found = self._like[shape, dtype] = one.expand(shape), dense_strides(shape, dtype.itemsize)
        return found

    def pieces(self, shapes: Sequence[tuple[int, ...]], dtype: np.dtype[Any]) -> list[DeviceArray]:
        """Return views of one new tensor, each with a version counter of its own."""
        size, places = _places(tuple(shapes), dtype.itemsize)
        all_of_them, found = self.new((size,), dtype), []
        start, tensor, item = all_of_them.address, all_of_them.owner, dtype.itemsize
        for shape, steps, strides, place in places:
            view = tensor.as_strided(shape, steps, place).data  # changing one in place is no change of the others
            found.append(DeviceArray(start + place * item, shape, strides, dtype, view))
        return found

    def stream(self) -> int:
        """Return the stream of `torch.cuda.stream` contexts."""
        if self._raw_stream is not None:  # a twentieth of the time
            return int(self._raw_stream(self.number))
        return int(self.torch.cuda.current_stream(self.device).cuda_stream)

    def seen(self, value: Any) -> DeviceArray | None:
        """Return a view of a tensor, whose description would take long to make."""
        if type(value) not in self._plain:
            return None
        form = self._forms.get((value.device, value.dtype, value.shape, value.stride())) or self._form(value)
        if form is None:
            return None
        value = value.detach()  # whose memory stays where the caller gives his tensor another
        if value.is_neg():  # a view that torch negates whenever it reads it
            return self.seen(value.resolve_neg())
        shape, strides, dtype = form
        return DeviceArray(value.data_ptr(), shape, strides, dtype, value)

    def _form(self, value: Any) -> tuple[Any, ...] | None:
        """Return shape, strides and dtype of a tensor, None where it is on another device or of another type."""
        dtype = self._ours.get(value.dtype)
        if dtype is None or value.device != self.device:
            return None
        if len(self._forms) >= FORMS_KEPT:
            self._forms.clear()
        strides = tuple([dtype.itemsize * n for n in value.stride()])
        found = self._forms[value.device, value.dtype, value.shape, value.stride()] = tuple(value.shape), strides, dtype
        return found

    def product(self, a: Matrix, b: Matrix, c: Matrix, m: int, n: int, depth: int, add: bool) -> bool:
        """Use addmm or mm."""
        left, right, to = self._tensor(a, m, depth), self._tensor(b, depth, n), self._tensor(c, m, n)
        if add:
            to.addmm_(left, right)
        else:
            self.torch.mm(left, right, out=to)
        return True

    def _tensor(self, a: Matrix, rows: int, columns: int) -> Any:
        """Return a matrix as a view of a tensor, which is kept with its array."""
        array, key = a.array, (rows, columns, *a[1:])
        known = array.foreign
        if known is None:
            known = array.foreign = {}
        found = known.get(key)
        if found is None:
            tensor, first = array.owner, a.begin
            if type(tensor) is self.torch.Tensor:
                first += tensor.storage_offset() + (array.address - tensor.data_ptr()) // array.dtype.itemsize
            else:  # of Numba's, as parameters are
                # Of a view of its own, as torch's reference to what it is given is one that Python's collector does
                # not see, and `array` will refer to the tensor.
                tensor = self.torch.as_tensor(array.view(), device=self.device).reshape(-1)
            found = known[key] = tensor.as_strided((rows, columns), (a.row, a.column), first)
        return found


@functools.lru_cache(maxsize=1024)
def _places(shapes: tuple[tuple[int, ...], ...], itemsize: int) -> tuple[int, list[tuple[Any, ...]]]:
    """Return the numbers in a piece of memory for arrays, and of each: shape, steps, strides, where it begins."""
    space = Workspace()
    places = [(s, dense_strides(s, 1), dense_strides(s, itemsize), space.take(math.prod(s))) for s in shapes]
    return space.size, places
