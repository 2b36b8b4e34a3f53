"""Streams: a net run one step at a time, its state kept inside."""

from __future__ import annotations

from typing import Any, Generic, NoReturn, cast

import numpy as np

from rnnfast.arrays.host import apart, as_array, as_flags, check_output, empty, strided
from rnnfast.arrays.layout import Layout
from rnnfast.backends.contract import ForwardArrays
from rnnfast.calls import states
from rnnfast.calls.arguments import is_plain
from rnnfast.calls.forward import new_tuple
from rnnfast.calls.gradients import StateT
from rnnfast.calls.prepared import INFERENCE, Engine
from rnnfast.checks.arrays import check_dtype
from rnnfast.checks.values import whole
from rnnfast.problem import Array

STEP = Layout(time=False)


class Stream(Generic[StateT]):
    """A frozen net and the state of `batch` sequences that advance together, in host memory.

    Not for use by two threads at once.

    >>> import numpy as np, rnnfast
    >>> stream = rnnfast.GRU(3, 4, seed=0).stream()
    >>> stream.step(np.ones(3, np.float32)).shape
    (4,)
    """

    def __init__(self, engine: Engine, batch: int = 1) -> None:
        net = engine.net
        if net.bidirectional:
            raise ValueError(
                f"this {net.name} is bidirectional and must see a whole sequence: a stream has one direction"
            )
        if not engine.on_host:
            raise TypeError(
                f"this {net.name}'s parameters are on the CUDA device and a stream steps in host memory: move them "
                'with .to("cpu"), or call the module with the state that its last call returned'
            )
        batch = whole("batch", batch)
        self._net, self._dtype = net, net.dtype
        self._prepared = engine.bound(engine.backend, INFERENCE, (batch, net.input_size), STEP)
        self._run, self._x_shape = self._prepared.bound.run, self._prepared.x_shape
        self._shape = net.num_layers, batch, net.hidden_size
        self._now, self._next = (tuple([empty(self._shape, net.dtype) for _ in net.states]) for _ in range(2))
        self.reset()

    def step(self, x: Any, *, out: Array | None = None) -> Array:
        """The output (batch, H) for one step's x (batch, I), or (H,) for (I,) where batch is 1; the state advances.

        `out` takes the output and is returned: with it no array is allocated for a contiguous x apart from it. Raises
        ValueError for a wrong shape, TypeError for a wrong dtype; the state is then as it was.
        """
        plain = is_plain(x, self._x_shape, self._dtype)
        shape = self._prepared.y_shape
        if not plain:
            x, shape = self._read(x)
        if out is None:
            y: Array = np.empty(shape, self._dtype)
        elif plain and is_plain(out, shape, self._dtype) and (flags := out.flags).writeable:
            y = out
            # What overlaps an array that owns its memory is that array, lies on it, or is something foreign.
            base = x.base
            foreign = not flags.owndata or (base is not None and type(base) is not np.ndarray)
            if x is y or base is y or (foreign and np.may_share_memory(x, y)):
                x = x.copy()
        else:
            y, plain = check_output("out", out, shape, self._dtype, self._net.name, dense=False), False
            x = apart(x, (y,))
        seen = y if y.ndim == 2 else y[None]
        self._run(new_tuple(ForwardArrays, (x, seen, self._now, self._next, None, None, None, None, plain)))
        self._now, self._next = self._next, self._now
        return y

    def _read(self, x: Any) -> tuple[Array, tuple[int, ...]]:
        """Return x as an array (batch, I) and the shape of the output."""
        net, shape = self._net, self._x_shape
        given, x = x, as_array("x", x)
        check_dtype("x", x, net.dtype, net.name, given)
        alone = shape[0] == 1 and x.shape == shape[1:]
        if x.shape != shape and not alone:
            raise ValueError(f"x has shape {x.shape}, expected {shape}")
        return strided(x[None] if alone else x), (net.hidden_size,) if alone else self._prepared.y_shape

    @property
    def state(self) -> StateT:
        """The state after the last step, a copy: h (L, batch, H), or (h, c). Assign a state to go on from it."""
        return cast(StateT, states.joined([array.copy() for array in self._now]))

    @state.setter
    def state(self, value: StateT) -> None:
        given = states.read("state", value, self._net, self._shape)
        for array, values in zip(self._now, given or (None, None), strict=False):
            array[...] = 0 if values is None else values

    def reset(self, mask: Any = None) -> None:
        """Start again from a zero state: every row, or those where `mask` (batch,), bool or uint8, is not zero."""
        rows: Any = slice(None)
        if mask is not None:
            rows = as_flags("mask", mask, (self._prepared.batch,)).astype(bool)
        for array in self._now:
            array[:, rows] = 0

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a stream can be neither copied nor pickled: make another from the frozen net and assign this one's state"
        )
