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
from rnnfast.backends.c.memory import ALIGNMENT, Reserve
from rnnfast.backends.choose import select
from rnnfast.backends.contract import BackwardArrays, ForwardArrays
from rnnfast.calls.arguments import read_flags, read_lengths
from rnnfast.calls.prepared import FORMS_KEPT, INFERENCE, Engine, Prepared
from rnnfast.net.brought import Brought
from rnnfast.net.description import Net
from rnnfast.problem import Array

DTYPES = {torch.float32: np.dtype(np.float32), torch.float64: np.dtype(np.float64)}
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

    All tensors are on the CPU and of the net's dtype; parameters are in the order of `net.shapes`. Any number of
    threads may use it at a time.

    >>> import torch
    >>> from rnnfast.net.description import Net
    >>> runner = runner_of(Net("GRU", "gru", 3, 4), 1)
    >>> parameters = [torch.zeros(shape) for shape in runner.net.shapes.values()]
    >>> runner.forward(torch.ones(5, 2, 3), (), parameters).y.shape
    torch.Size([5, 2, 4])
    """

    def __init__(self, net: Net, num_threads: int) -> None:
        self.net, self.num_threads = net, num_threads
        self.engine = Engine(net, Brought(net), select("c"), num_threads=num_threads)
        self.shapes = [torch.Size(shape) for shape in net.shapes.values()]
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
            type(x) in PLAIN
            and x.dtype is self.dtype
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

    def addresses(self, parameters: Sequence[Tensor]) -> list[int]:
        """Return where parameters that fit lie, in the order that backends want."""
        found = [*map(_address, parameters)]
        return found if self.order is None else [found[n] for n in self.order]

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
        state: Sequence[Tensor | None],
        parameters: Sequence[Tensor],
        how: int = INFERENCE,
        seed: int = 0,
        ragged: Ragged = NOT_RAGGED,
    ) -> Results:
        """Run on tensors that need no gradient: x with a dense last axis, a dense state, () for zeros, `fits`."""
        engine, array = self.engine, x.numpy()
        prepared = engine.forms.get((how, array.shape)) or self.prepared(how, array.shape)
        dtype, shape = engine.dtype, prepared.state_shape
        y = np.empty(prepared.y_shape, dtype)
        final: tuple[Array, ...] = (np.empty(shape, dtype),)
        if self._two_states:
            final = final[0], np.empty(shape, dtype)
        start = tuple([None if part is None else part.numpy() for part in state]) if state else ()
        arrays = array, y, start, final, *ragged, None, array.flags.c_contiguous, self.addresses(parameters)
        reserve = prepared.bound.run(_new(ForwardArrays, arrays), seed)
        kept = None if reserve is None else from_numpy(reserve.bytes)
        return _new(Results, (from_numpy(y), (*map(from_numpy, final),), kept))

    def backward(
        self,
        reserve: Tensor,
        x: Tensor,
        state: Sequence[Tensor | None],
        parameters: Sequence[Tensor],
        dy: Tensor | None,
        d_state: Sequence[Tensor | None],
        how: int,
        seed: int = 0,
        ragged: Ragged = NOT_RAGGED,
        wanted: Wanted = ALL,
    ) -> tuple[Tensor | None, tuple[Tensor | None, ...], list[Tensor] | None]:
        """Return the gradients of x, of the state and of the parameters, None for those not wanted.

        Consumes the reserve. Arguments as forward got them; of dy the last axis is dense, `d_state` is () or dense.
        """
        dtype, array = self.engine.dtype, x.numpy()
        prepared = self.prepared(how, array.shape)
        if reserve.data_ptr() % ALIGNMENT:
            reserve = reserve.clone()
        dx = np.empty(prepared.x_shape, dtype) if wanted.x else None
        d_start = [np.empty(prepared.state_shape, dtype) for _ in self.net.states] if wanted.state else []
        d_parameters = [np.empty(shape, dtype) for shape in self.net.shapes.values()] if wanted.parameters else None
        dy_array = None if dy is None else dy.numpy()
        d_final = tuple([None if part is None else part.numpy() for part in d_state])
        start = tuple([None if part is None else part.numpy() for part in state])
        dense = array.flags.c_contiguous and (dy_array is None or dy_array.flags.c_contiguous)
        arrays = array, dy_array, d_final, dx, d_start, d_parameters, None, start, *ragged, dense
        has_ragged = any(part is not None for part in ragged)
        known = Reserve(reserve.numpy(), reserve.numel(), seed, ragged if has_ragged else None)
        prepared.bound.backward(known, _new(BackwardArrays, (*arrays, self.addresses(parameters))))
        return (
            None if dx is None else from_numpy(dx),
            (*map(from_numpy, d_start),),
            None if d_parameters is None else [*map(from_numpy, d_parameters)],
        )


@functools.lru_cache(maxsize=256)
def runner_of(net: Net, num_threads: int) -> Runner:
    """Return what runs calls of this net on so many threads, 256 at most."""
    return Runner(net, min(num_threads, MOST_THREADS))
