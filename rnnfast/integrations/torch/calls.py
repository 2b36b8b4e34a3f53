"""One call on tensors: prepared calls of a net whose parameters are tensors, on the memory that all of them have."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, from_numpy

from rnnfast.arrays import host
from rnnfast.arrays.layout import Layout
from rnnfast.backends.c.memory import ALIGNMENT, Reserve, at
from rnnfast.backends.choose import select
from rnnfast.backends.contract import BackwardArrays, ForwardArrays
from rnnfast.calls.arguments import read_flags, read_lengths
from rnnfast.calls.prepared import FORMS_KEPT, INFERENCE, Engine, Prepared
from rnnfast.net.brought import Brought
from rnnfast.net.description import Net
from rnnfast.net.parameters import Parameters
from rnnfast.problem import Array

DTYPES: dict[Any, np.dtype[Any]] = {torch.float32: np.dtype(np.float32), torch.float64: np.dtype(np.float64)}
TORCH_DTYPES = {dtype: key for key, dtype in DTYPES.items()}
PLAIN = Tensor, torch.nn.Parameter
"""Types of tensors whose memory is what it seems."""
MOST_THREADS = 256
"""As in the C library."""
_new = tuple.__new__
_address = Tensor.data_ptr


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


class Runner:
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
        self.net, self.num_threads, self.is_frozen = net, num_threads, frozen is not None
        own = frozen or Brought(net)
        self.engine = Engine(net, own, select("c"), frozen=self.is_frozen, num_threads=num_threads)
        self.shapes = [*net.shapes.values()]
        tables, count = len(net.layer_shapes(0)), len(self.shapes)
        self.order = None if tables == count else [n for table in range(tables) for n in range(table, count, tables)]
        """Of the parameters, table by table; None: they have that order."""
        self.dtype = TORCH_DTYPES[net.dtype]
        self._two_states, self._ranks = self.engine.two_states, (1, 2) if net.one_step else (2, 3)
        several = net.dropout > 0 and net.num_layers > 1
        self.drops_out = several or net.input_dropout > 0 or net.recurrent_dropout > 0
        """Whether dropout does anything where a call asks for it."""
        self._state_shapes: dict[tuple[int, ...], tuple[int, ...]] = {}

    def prepared(self, how: int, shape: tuple[int, ...]) -> Prepared:
        """Return the prepared call for x of this shape. Raises ValueError for a wrong rank or number of features."""
        found = self.engine.forms.get((how, shape))
        if found is None:
            found = self.engine.prepared(how, shape, self._layout(shape))
        return found

    def reserve_bytes(self, how: int, shape: tuple[int, ...]) -> int:
        """Return the size of the reserve that a recorded call with x of this shape makes."""
        size: int = max(1, self.prepared(how, shape).bound.reserve_bytes())
        return size

    def fits(self, parameters: Sequence[Tensor]) -> bool:
        """Whether these are parameters of the net that lie dense in the CPU's memory."""
        dtype = self.dtype
        for parameter, shape in zip(parameters, self.shapes, strict=True):
            if not (
                type(parameter) in PLAIN
                and parameter.is_cpu
                and parameter.dtype is dtype
                and parameter.shape == shape
                and parameter.is_contiguous()
            ):
                return False
        return True

    def time_major(self) -> Runner:
        """Return what runs the net's calls on (T, B, I)."""
        return runner_of(replace(self.net, batch_first=False), self.num_threads) if self.net.batch_first else self

    def takes(self, x: Tensor) -> bool:
        """Whether this is an x of such a net, of at least one step, that lies in the CPU's memory."""
        shape, net = x.shape, self.net
        return (
            x.dtype is self.dtype
            and x.is_cpu
            and len(shape) in self._ranks
            and shape[-1] == net.input_size
            and (net.one_step or shape[1 if net.batch_first and len(shape) == 3 else 0] > 0)
        )

    def takes_state(self, state: Sequence[Tensor], x_shape: tuple[int, ...]) -> bool:
        """Whether these are all states of such a net that lie in the CPU's memory."""
        if len(state) != len(self.net.states):
            return False
        shape, dtype = self.state_shape(x_shape), self.dtype
        for part in state:
            if not (type(part) in PLAIN and part.dtype is dtype and part.is_cpu and part.shape == shape):
                return False
        return True

    def state_shape(self, x_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of a state that goes with x of this shape."""
        found = self._state_shapes.get(x_shape)
        if found is None:
            net, layout = self.net, self._layout(x_shape)
            _, batch = layout.sizes(x_shape)
            found = layout.state_shape(net.num_layers * net.num_directions, batch, net.hidden_size)
            if len(self._state_shapes) >= FORMS_KEPT:
                self._state_shapes.clear()
            self._state_shapes[x_shape] = found
        return found

    def _layout(self, x_shape: tuple[int, ...]) -> Layout:
        """Return how the axes of x are arranged. Raises ValueError for a wrong rank or number of features."""
        return self.net.layout(np.broadcast_to(np.zeros((), self.net.dtype), x_shape))

    def addresses(self, parameters: Sequence[Tensor]) -> Sequence[int] | None:
        """Return where parameters that fit lie, in the order that backends want; of a frozen net None."""
        return None if self.is_frozen else self.in_order([*map(_address, parameters)])

    def in_order(self, addresses: Sequence[int]) -> Sequence[int]:
        """Return addresses of parameters in the order that backends want."""
        return addresses if self.order is None else [addresses[n] for n in self.order]

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
        dtype, state_shape = engine.dtype, prepared.state_shape
        array = at(x.data_ptr()) if dense else x.detach().numpy()
        y, h = np.empty(prepared.y_shape, dtype), np.empty(state_shape, dtype)
        final: tuple[Array, ...] = (h, np.empty(state_shape, dtype)) if self._two_states else (h,)
        start = [at(part.data_ptr()) for part in state] if state else ()
        lengths, mask, resets = ragged
        if addresses is None:
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
    ) -> tuple[Tensor | None, list[Tensor], list[Tensor] | None]:
        """Return the gradients of x, of the state and of the parameters, None for those not wanted.

        Consumes the reserve, unless told to `keep` it. Arguments as forward got them; of dy the last axis is dense,
        `d_state` is () or dense.
        """
        engine, shape, dense = self.engine, x.shape, x.is_contiguous() and (dy is None or dy.is_contiguous())
        prepared, dtype = engine.forms.get((how, shape)) or self.prepared(how, shape), engine.dtype
        if keep or reserve.data_ptr() % ALIGNMENT:
            reserve = reserve.clone()
        if dense:
            array, dy_array = at(x.data_ptr()), None if dy is None else at(dy.data_ptr())
        else:
            array, dy_array = x.detach().numpy(), None if dy is None else dy.detach().numpy()
        start = [at(part.data_ptr()) for part in state]
        d_final = [None if part is None else at(part.data_ptr()) for part in d_state]
        dx = np.empty(shape, dtype) if wanted.x else None
        d_start = [np.empty(prepared.state_shape, dtype) for _ in self.net.states] if wanted.state else []
        d_parameters = [np.empty(shape, dtype) for shape in self.shapes] if wanted.parameters else None
        lengths, mask, resets = ragged
        is_ragged = lengths is not None or mask is not None or resets is not None
        known = Reserve(at(reserve.data_ptr()), reserve.numel(), seed, ragged if is_ragged else None)
        arrays = array, dy_array, d_final, dx, d_start, d_parameters, None, start, lengths, mask, resets, dense
        prepared.bound.backward(known, _new(BackwardArrays, (*arrays, self.addresses(parameters))))
        return (
            None if dx is None else from_numpy(dx),
            [*map(from_numpy, d_start)],
            None if d_parameters is None else [*map(from_numpy, d_parameters)],
        )


@functools.lru_cache(maxsize=256)
def runner_of(net: Net, num_threads: int) -> Runner:
    """Return what runs calls of this net on so many threads, 256 at most."""
    return Runner(net, min(num_threads, MOST_THREADS))
