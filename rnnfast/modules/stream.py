"""Streams: a net run one step at a time, its state kept inside."""

from __future__ import annotations

from typing import Any, Generic, cast

import numpy as np

from rnnfast.arrays.host import apart, as_array, as_flags, check_output, dense, empty, strided
from rnnfast.arrays.layout import Layout
from rnnfast.backends import choose
from rnnfast.backends.contract import Steps
from rnnfast.calls import states
from rnnfast.calls.arguments import is_plain, read_layout
from rnnfast.calls.gradients import StateT
from rnnfast.calls.prepared import INFERENCE, Engine
from rnnfast.checks.arrays import check_dtype, check_steps
from rnnfast.checks.values import whole
from rnnfast.net.description import Net
from rnnfast.net.narrow import Weights
from rnnfast.net.parameters import Parameters
from rnnfast.problem import Array


class Stream(Generic[StateT]):
    """A frozen net and the state of `batch` sequences that advance together, in host memory.

    For one thread at a time: RuntimeError where two use it at once, and for ever in a child that was forked while
    another thread used it, whose step that child cannot finish: copy streams before the fork. Copies and pickles go on
    from the same state.

    >>> import numpy as np, rnnfast
    >>> stream = rnnfast.GRU(3, 4, seed=0).stream()
    >>> stream.step(np.ones(3, np.float32)).shape
    (4,)
    >>> stream.run(np.ones((100, 3), np.float32)).shape
    (100, 4)
    """

    def __init__(self, engine: Engine, batch: int = 1, steps: Steps | None = None) -> None:
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
        self._engine, self._net, self._dtype, self._batch = engine, net, net.dtype, batch
        self._x_shape, self._y_shape = (batch, net.input_size), (batch, net.output_size)
        self._shapes = Layout().state_shapes(net.num_layers, batch, net.state_sizes)
        if steps is None:
            empty(self._shapes[-1], net.dtype)  # sizes beyond memory end here, with NumPy's own words
            check_steps(1, batch)
            steps = engine.backend.stream(engine.problem(INFERENCE, 1, batch))
        self._steps, self._quick = steps, steps.quick

    @property
    def steps(self) -> Steps:
        """The states and what moves them on, as the backend has them."""
        return self._steps

    def step(self, x: Any, out: Array | None = None) -> Array:
        """The output (batch, H) for one step's x (batch, I), or (H,) for (I,) where batch is 1; the state advances.

        `out` takes the output and is returned: with it no array is allocated for a contiguous x apart from it. Raises
        ValueError for a wrong shape, TypeError for a wrong dtype; the state is then as it was.
        """
        if out is None:
            alone = self._batch == 1 and getattr(x, "ndim", 0) == 1
            y: Array = np.empty(self._y_shape[alone:], self._dtype)
        else:
            y = out
        return y if self._quick(x, y) else self._looked_at(x, out)

    def _looked_at(self, x: Any, out: Array | None) -> Array:
        """Make a step from arrays of any kind."""
        shape: tuple[int, ...] = self._y_shape
        if not is_plain(x, self._x_shape, self._dtype):
            x, shape = self._read(x)
        if out is None:
            y: Array = empty(shape, self._dtype)
        else:
            y = self._output(out, shape)
            if np.may_share_memory(x, y):
                x = x.copy()
        with self._steps.held():
            self._steps.run(x[None], y.reshape(1, *self._y_shape) if y.ndim == 1 else y[None])
        return y

    def _read(self, x: Any) -> tuple[Array, tuple[int, ...]]:
        """Return x as an array (batch, I) and the shape of the output."""
        shape, given, x = self._x_shape, x, as_array("x", x)
        check_dtype("x", x, self._dtype, self._net.name, given)
        alone = shape[0] == 1 and x.shape == shape[1:]
        if x.shape != shape and not alone:
            raise ValueError(f"x has shape {x.shape}, expected {shape}")
        return strided(x[None] if alone else x), self._y_shape[alone:]

    def _output(self, out: Array, shape: tuple[int, ...]) -> Array:
        return check_output("out", out, shape, self._dtype, self._net.name, dense=False)

    def run(self, chunk: Any, out: Array | None = None) -> Array:
        """Make many steps at once: the outputs for a chunk of a sequence, with the axes that the net's own calls have.

        Bit by bit those of as many steps. `out` takes them and is returned. Raises as `step`.
        """
        x, layout = self._read_chunk(chunk)
        shape = (*x.shape[:-1], self._net.output_size)
        y: Array = empty(shape, self._dtype) if out is None else self._output(out, shape)
        with self._steps.held():
            if layout.sizes(x.shape)[0]:
                self._steps.run(layout.sequence(strided(cast(Array, apart(x, (y,))))), layout.sequence(y))
        return y

    def _read_chunk(self, chunk: Any) -> tuple[Array, Layout]:
        """Return a chunk as an array, and how its axes are laid out."""
        x = self._engine.access(chunk).as_array("x", chunk)
        layout = read_layout(self._engine, x, chunk)
        if (batch := layout.sizes(x.shape)[1]) != self._batch:
            raise ValueError(f"chunk has {batch} rows, this stream was made for {self._batch}")
        return x, layout

    def output_shape(self, x: Any, *, steps: bool) -> tuple[int, ...]:
        """The shape of what `step` or, of many `steps`, `run` gives for x. Raises as they do where x does not fit."""
        return (*self._read_chunk(x)[0].shape[:-1], self._net.output_size) if steps else self._read(x)[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of inputs, outputs and states."""
        return self._dtype

    @property
    def state(self) -> StateT:
        """The state after the last step, a copy: h (L, batch, H), or (h, c). Assign a state to go on from it."""
        with self._steps.held():
            return cast(StateT, states.joined(self._steps.read()))

    @state.setter
    def state(self, value: StateT) -> None:
        given = self.check_state("state", value)
        with self._steps.held():
            self._steps.write(given or [None] * len(self._net.states))

    def check_state(self, name: str, value: Any) -> states.States:
        """Return what a state holds, its arrays as they can be assigned. Raises as assigning does, of `name`."""
        return states.read(name, value, self._net, self._shapes)

    def reset(self, mask: Any = None) -> None:
        """Start again from a zero state: every row, or those where `mask` (batch,), bool or uint8, is not zero."""
        rows = None if mask is None else dense(as_flags("mask", mask, (self._batch,))).view(np.uint8)
        with self._steps.held():
            self._steps.reset(rows)

    def copy(self) -> Stream[StateT]:
        """Another stream of the same frozen net that goes on from this one's state."""
        with self._steps.held():
            return Stream(self._engine, self._batch, self._steps.copy())

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Stream[StateT]:
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles hold the parameters, the backend's name and the state; packing is done anew where they arrive."""
        engine = self._engine
        kept = self._net, engine.parameters, engine.choice.full_name, self._batch, self.state, engine.weights
        return restored, kept


def restored(
    net: Net, parameters: Parameters, backend: str, batch: int, state: Any, weights: Weights | None = None
) -> Stream[Any]:
    """Return the stream that a pickle holds."""
    choice = choose.select(backend, parameters.device, net.cell)
    engine = Engine(net, parameters.copy(writeable=False), choice, frozen=True, weights=weights)
    stream: Stream[Any] = Stream(engine, batch)
    stream.state = state
    return stream
