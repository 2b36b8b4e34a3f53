"""One call on tensors: prepared calls of a net whose parameters are tensors, on the memory that all of them have."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor, from_numpy

from rnnfast.arrays import host
from rnnfast.backends.c.memory import ALIGNMENT, Reserve, at
from rnnfast.backends.choose import select
from rnnfast.backends.contract import BackwardArrays, ForwardArrays
from rnnfast.calls.arguments import read_flags, read_lengths
from rnnfast.calls.prepared import INFERENCE, Engine, Prepared
from rnnfast.integrations.torch.forms import DTYPES as DTYPES
from rnnfast.integrations.torch.forms import Forms
from rnnfast.integrations.torch.team import team
from rnnfast.net.brought import Brought
from rnnfast.net.description import Net
from rnnfast.net.parameters import Parameters
from rnnfast.problem import Array

MOST_THREADS = 256
"""As in the C library."""
_new = tuple.__new__


class Ragged(NamedTuple):
    """What says which steps are live and where states are cut, as backends take it; None: nothing."""

    lengths: Array | None
    """(B,) int64."""
    mask: Array | None
    """(T, B) uint8, C-contiguous, as `resets`."""
    resets: Array | None


NOT_RAGGED = Ragged(None, None, None)


class Results(NamedTuple):
    """Tensors that a forward made."""

    y: Tensor
    state: tuple[Tensor, ...]
    """(h,) or (h, c)."""
    reserve: Tensor | None
    """Bytes that backward needs, (n,) uint8, at a multiple of 64; None: nothing was recorded."""


class Wanted(NamedTuple):
    """Which gradients a backward makes."""

    x: bool = True
    state: bool = True
    parameters: bool = True


ALL = Wanted()


class Runner(Forms):
    """Prepared calls of one net on a number of threads. Parameters come with each call, so that any may be new.

    `frozen`: parameters that never change, which all calls use instead of those that they come with.

    All tensors are on the CPU and of the net's dtype; parameters are in the order of `net.shapes`. Any number of
    threads may use it at a time.

    >>> import torch
    >>> from rnnfast.net.description import Net
    >>> runner = runner_of(Net("GRU", "gru", 3, 4), 1)
    >>> parameters = [torch.zeros(shape) for shape in runner.net.shapes.values()]
    >>> runner.forward(torch.ones(5, 2, 3), (), parameters).y.shape
    torch.Size([5, 2, 4])
    """

    def __init__(self, net: Net, num_threads: int, frozen: Parameters | None = None) -> None:
        super().__init__(net)
        self.num_threads, self.is_frozen = num_threads, frozen is not None
        own = frozen or Brought(net)
        self.engine = Engine(net, own, select("c"), frozen=self.is_frozen, num_threads=num_threads, team=team())

    def prepared(self, how: int, shape: tuple[int, ...]) -> Prepared:
        """Return the prepared call for x of this shape. Raises ValueError for a wrong rank or number of features."""
        found = self.engine.forms.get((how, shape))
        if found is None:
            found = self.engine.prepared(how, tuple(shape), self.layout(shape))
        return found

    def reserve_bytes(self, how: int, shape: tuple[int, ...]) -> int:
        """Return the size of the reserve that a recorded call with x of this shape makes."""
        size: int = max(1, self.prepared(how, shape).bound.reserve_bytes())
        return size

    def time_major(self) -> Runner:
        """Return what runs the net's calls on (T, B, I)."""
        return runner_of(replace(self.net, batch_first=False), self.num_threads) if self.net.batch_first else self

    def ragged(self, how: int, shape: tuple[int, ...], lengths: Any, mask: Any, resets: Any) -> Ragged:
        """Return copies, as backends take them, of what may be tensors or arrays. Raises as `rnnfast.LSTM`'s call."""
        prepared = self.prepared(how, shape)
        flags = [read_flags(name, given, prepared, host) for name, given in (("mask", mask), ("resets", resets))]
        return Ragged(
            read_lengths(lengths, prepared, host), *[None if array is None else array.copy() for array in flags]
        )

    def forward(
        self,
        x: Tensor,
        state: Sequence[Tensor],
        parameters: Sequence[Tensor],
        how: int = INFERENCE,
        seed: int = 0,
        ragged: Ragged = NOT_RAGGED,
        addresses: Sequence[int] | None = None,
    ) -> Results:
        """Run on x with a dense last axis, dense states, () for zeros, and parameters that fit, unseen by autograd.

        `addresses`: those of the parameters, where they are known.
        """
        engine, shape, dense = self.engine, x.shape, x.is_contiguous()
        prepared = engine.forms.get((how, shape)) or self.prepared(how, shape)
        dtype = engine.dtype
        array = at(x.data_ptr()) if dense else x.detach().numpy()
        y, final = (
            np.empty(prepared.y_shape, dtype),
            [np.empty(of_state, dtype) for of_state in self.state_shapes(shape)],
        )
        start = [at(part.data_ptr()) for part in state] if state else ()
        lengths, mask, resets = ragged
        if addresses is None and not self.is_frozen:
            addresses = self.addresses(parameters)
        arrays = array, y, start, final, lengths, mask, resets, None, dense, addresses
        reserve = prepared.bound.run(_new(ForwardArrays, arrays), seed)
        kept = None if reserve is None else from_numpy(reserve.bytes)
        return _new(Results, (from_numpy(y), (*map(from_numpy, final),), kept))

    def backward(
        self,
        reserve: Tensor,
        x: Tensor,
        state: Sequence[Tensor],
        parameters: Sequence[Tensor],
        dy: Tensor | None,
        d_state: Sequence[Tensor | None],
        how: int,
        seed: int = 0,
        ragged: Ragged = NOT_RAGGED,
        wanted: Wanted = ALL,
        keep: bool = False,
        addresses: Sequence[int] | None = None,
    ) -> tuple[Tensor | None, list[Tensor], list[Tensor] | None]:
        """Return the gradients of x, of the state and of the parameters, None for those not wanted.

        Consumes the reserve, unless told to `keep` it. Arguments as forward got them; of dy the last axis is dense,
        `d_state` is () or dense. `addresses`: those of the parameters in forward. Raises RuntimeError where inputs have
        another form than then.
        """
        engine, shape, dense = self.engine, x.shape, x.is_contiguous() and (dy is None or dy.is_contiguous())
        prepared, dtype = engine.forms.get((how, shape)) or self.prepared(how, shape), engine.dtype
        before, addresses = addresses, self.addresses(parameters)
        if addresses != before and not self.fits(parameters):
            raise RuntimeError(self.misfits(parameters))
        of_states = self.state_shapes(shape)
        if reserve.numel() < prepared.bound.reserve_bytes() or (state and not self.takes_state(state, shape)):
            raise RuntimeError("x or the state was given data of another shape since the forward: call forward again")
        if reserve.data_ptr() % ALIGNMENT:
            reserve = reserve.clone()
        if dense:
            array, dy_array = at(x.data_ptr()), None if dy is None else at(dy.data_ptr())
        else:
            array, dy_array = x.detach().numpy(), None if dy is None else dy.detach().numpy()
        start = [at(part.data_ptr()) for part in state]
        d_final = [None if part is None else at(part.data_ptr()) for part in d_state]
        dx = np.empty(shape, dtype) if wanted.x else None
        d_start = [np.empty(of_state, dtype) for of_state in of_states] if wanted.state else []
        d_parameters = [np.empty(shape, dtype) for shape in self.shapes] if wanted.parameters else None
        lengths, mask, resets = ragged
        is_ragged = lengths is not None or mask is not None or resets is not None
        known = Reserve(at(reserve.data_ptr()), reserve.numel(), seed, ragged if is_ragged else None)
        arrays = array, dy_array, d_final, dx, d_start, d_parameters, None, start, lengths, mask, resets, dense
        prepared.bound.backward(known, _new(BackwardArrays, (*arrays, addresses)), keep=keep)
        return (
            None if dx is None else from_numpy(dx),
            [*map(from_numpy, d_start)],
            None if d_parameters is None else [*map(from_numpy, d_parameters)],
        )


@functools.lru_cache(maxsize=256)
def runner_of(net: Net, num_threads: int) -> Runner:
    """Return what runs calls of this net on so many threads, 256 at most."""
    return Runner(net, min(num_threads, MOST_THREADS))
