"""Streams: a net run one step at a time, its state kept inside."""

from __future__ import annotations

from typing import Any, Generic, NoReturn, cast

from rnnfast.arrays.host import apart, as_array, as_flags, empty, strided
from rnnfast.arrays.layout import Layout
from rnnfast.backends.contract import Bound
from rnnfast.calls import states
from rnnfast.calls.arguments import result
from rnnfast.calls.engine import Engine
from rnnfast.calls.forward import forward
from rnnfast.calls.gradients import StateT
from rnnfast.checks.arrays import check_dtype
from rnnfast.checks.values import whole
from rnnfast.problem import Array


class Stream(Generic[StateT]):
    """A frozen net and the state of `batch` sequences that advance together, in host memory.

    Not for use by two threads at once.
    """

    def __init__(self, engine: Engine, batch: int = 1) -> None:
        net = engine.net
        if net.bidirectional:
            raise ValueError(
                f"this {net.name} is bidirectional and must see a whole sequence: a stream has one direction"
            )
        if engine.parameters.place != "cpu":
            raise TypeError(
                f"this {net.name}'s parameters are on the CUDA device and a stream steps in host memory: move them "
                'with .to("cpu"), or call the module with the state that its last call returned'
            )
        self._net, self._backend, self._engine = net, engine.backend, engine
        self._problem = engine.problem(steps=1, batch=whole("batch", batch))
        shape = states.shape_of(net, Layout(), batch)
        self._now, self._next = ([empty(shape, net.dtype) for _ in net.states] for _ in range(2))
        self._bound: Bound | None = None
        self.reset()

    def step(self, x: Any, *, out: Array | None = None) -> Array:
        """The output (batch, H) for one step's x (batch, I), or (H,) for (I,) where batch is 1; the state advances.

        `out` takes the output and is returned: with it no array is allocated for a contiguous x apart from it. Raises
        ValueError for a wrong shape, TypeError for a wrong dtype; the state is then as it was.
        """
        net, problem = self._net, self._problem
        x = as_array("x", x)
        check_dtype("x", x, net.dtype, net.name)
        if x.shape != (problem.batch, net.input_size) and not (problem.batch == 1 and x.shape == (net.input_size,)):
            raise ValueError(f"x has shape {x.shape}, expected {(problem.batch, net.input_size)}")
        if out is None:
            return self._fresh_step(x)
        layout = Layout(time=False, batch=x.ndim == 2)
        y: Array = result("out", out, (*x.shape[:-1], net.hidden_size), net)
        x = apart(strided(x), [y])
        problem.x, problem.y = layout.sequence(x), layout.sequence(y)
        dense = x.flags.c_contiguous and y.flags.c_contiguous
        if dense and (self._bound is None or self._bound.is_stale()):
            self._bound = self._backend.bind(problem)
        if dense and self._bound is not None:
            self._bound.run(x, y, self._now, self._next)
        else:
            self._point()
            self._backend.forward(problem)
        self._now, self._next = self._next, self._now
        return y

    def _fresh_step(self, x: Array) -> Array:
        """As a call of one step, which is fast when repeated: new arrays take the output and the state."""
        net, batch = self._net, self._problem.batch
        shape = (batch, 1, net.input_size) if net.batch_first else (1, batch, net.input_size)
        y, state = forward(self._engine, x.reshape(shape), states.joined(self._now))
        self._now = [state] if len(net.states) == 1 else list(state)
        return y.reshape(*x.shape[:-1], net.hidden_size)

    @property
    def state(self) -> StateT:
        """The state after the last step, a copy: h (L, batch, H), or (h, c). Assign a state to go on from it."""
        return cast(StateT, states.joined([array.copy() for array in self._now]))

    @state.setter
    def state(self, value: StateT) -> None:
        given = states.read("state", value, self._net, Layout(), self._problem.batch)
        for array, values in zip(self._now, given, strict=False):
            array[...] = 0 if values is None else values

    def reset(self, mask: Any = None) -> None:
        """Start again from a zero state: every row, or those where `mask` (batch,), bool or uint8, is not zero."""
        rows: Any = slice(None)
        if mask is not None:
            rows = as_flags("mask", mask, (self._problem.batch,)).astype(bool)
        for array in self._now:
            array[:, rows] = 0

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a stream can be neither copied nor pickled: make another from the frozen net and assign this one's state"
        )

    def _point(self) -> None:
        """Let the problem read the state from `_now` and write the one after it to `_next`."""
        self._problem.h0, self._problem.c0 = states.pair(self._now, Layout())
        self._problem.h_n, self._problem.c_n = states.pair(self._next, Layout())
