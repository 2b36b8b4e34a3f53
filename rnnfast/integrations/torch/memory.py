"""Memory of tensors: new ones, where they lie, whether they are of the form of others, and reserves as tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import starmap
from typing import Any

import numpy as np
import torch
from torch import Tensor, from_numpy

from rnnfast.backends.c.memory import ALIGNMENT, Reserve, at
from rnnfast.integrations.torch.forms import DTYPES

LARGE = 4 << 20
"""Bytes from which on memory is NumPy's, which asks for huge pages: far fewer to be brought in one by one."""
# Both are what PyTorch's own compilers use around each call: a third of the time of the public ways.
_internal: Any = torch._C._dynamo.guards
_empty, _guards = _internal._empty_strided_cpu, _internal.TensorGuards
_address = Tensor.data_ptr


def maker(shapes: Sequence[tuple[int, ...]], dtype: torch.dtype) -> Callable[[], list[Tensor]]:
    """Return a function that makes dense tensors of uninitialised numbers.

    >>> [tensor.shape for tensor in maker([(2, 3), (4,)], torch.float64)()]
    [torch.Size([2, 3]), torch.Size([4])]
    """
    own = DTYPES[dtype]
    if any(math.prod(shape) * own.itemsize >= LARGE for shape in shapes):
        return lambda: [from_numpy(np.empty(shape, own)) for shape in shapes]
    forms = [(tuple(shape), _strides(shape), dtype) for shape in shapes]
    return lambda: [*starmap(_empty, forms)]


def sameness(tensors: Sequence[Tensor]) -> Callable[..., bool]:
    """Return a function that says whether as many tensors are like these in all but where they lie and their numbers.

    Alike are class, shape, strides, dtype, device, need of a gradient, negative bits, and what sees operators on them,
    as torch.func's transforms, autocast, inference mode and torch.jit's tracing do; dispatch modes and forward-mode
    differentiation may escape it.

    >>> sameness([torch.ones(2)])(torch.zeros(2)), sameness([torch.ones(2)])(torch.ones(3))
    (True, False)
    """
    found: Callable[..., bool] = _guards(*tensors, dynamic_dims_sizes=None, dynamic_dims_strides=None).check
    return found


def place(tensor: Tensor | None) -> Any:
    """Return what backends take in an array's place for a dense tensor, which must outlive its use; None for None."""
    return None if tensor is None else at(_address(tensor))


def places(tensors: Iterable[Tensor]) -> list[Any]:
    """Return `place` of each of these."""
    return [*map(at, map(_address, tensors))]


def tensor_of(reserve: Reserve) -> Tensor:
    """Return the bytes of a reserve, (n,) uint8."""
    return from_numpy(reserve.bytes)


def reserve_of(tensor: Tensor, seed: int, ragged: tuple[Any, ...]) -> tuple[Reserve, Tensor]:
    """Return a reserve of these bytes, copied where they lie at no multiple of 64, and the tensor that owns them."""
    if tensor.data_ptr() % ALIGNMENT:
        tensor = tensor.clone()
    some = any(part is not None for part in ragged)
    return Reserve(place(tensor), tensor.numel(), seed, ragged if some else None), tensor


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides of a dense tensor, in numbers."""
    return tuple([math.prod(max(size, 1) for size in shape[axis + 1 :]) for axis in range(len(shape))])
