"""The gradients that `backward` returns, and the arrays they are written to."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any, Generic, TypeVar

import numpy as np

from rnnfast.arrays.access import Memory
from rnnfast.arrays.layout import Layout
from rnnfast.calls import states
from rnnfast.calls.arguments import result
from rnnfast.checks.overlap import check_all_apart
from rnnfast.net.description import Net
from rnnfast.net.parameters import Parameters
from rnnfast.problem import Array, Problem

StateT = TypeVar("StateT")
"""What a module's state is: an array h, or for the LSTM a tuple (h, c)."""


@dataclass(frozen=True)
class Gradients(Generic[StateT]):
    """Derivatives of a loss, each shaped like what it belongs to."""

    x: Array | None
    """By x; None with `need_x=False`."""
    state: StateT
    """By the state before the first step: h, or (h, c)."""
    params: dict[str, Array]
    """By the parameters, under their names."""
    state_norms: dict[str, Array] | None = None
    """With `monitor=True`, by name of each state (h, for the LSTM also c), (T, L·D) float64: the norms ‖dL/dh_t‖ and
    ‖dL/dc_t‖ over the units of all rows live at step t, 0 where none is. t is the time of x for both directions.
    dL/dc_t counts all that c_t does, what it does by way of h_t included."""

    @property
    def states(self) -> tuple[Array, ...]:
        """Those by the state: (h,) or (h, c)."""
        return self.state if isinstance(self.state, tuple) else (self.state,)  # type: ignore[return-value]

    @property
    def arrays(self) -> list[Array]:
        """All of them, norms aside."""
        return [*([] if self.x is None else [self.x]), *self.states, *self.params.values()]


def gradients_for(
    net: Net, parameters: Parameters, layout: Layout, problem: Problem, need_x: bool, out: Any, memory: Memory
) -> Gradients[Any]:
    """Arrays to write into, taken from `out` where it has them, else new; none of them is changed yet."""
    if out is None:
        empty, x_shape = memory.empty, layout.sequence_shape(problem.steps, problem.batch, net.input_size)
        new_x = empty(x_shape, net.dtype) if need_x else None
        shape = states.shape_of(net, layout, problem.batch)
        new_state = states.joined([empty(shape, net.dtype) for _ in net.states])
        return Gradients(new_x, new_state, {name: empty(shape, net.dtype) for name, shape in net.shapes.items()})
    given = out if isinstance(out, Gradients) else Gradients(None, None, out)
    x_shape = layout.sequence_shape(problem.steps, problem.batch, net.input_size)
    x = result("out.x", given.x, x_shape, net, memory) if need_x else None
    state_shape = states.shape_of(net, layout, problem.batch)
    labelled = states.parts("out.state", given.state, net)
    state = [result(label, part, state_shape, net, memory, dense=True) for label, part in labelled]
    params = _params(given.params, net, memory)
    grads = Gradients(x, states.joined(state), params)
    names = chain(["out.x"] * need_x, (label for label, _ in labelled), map(_label, params))
    check_all_apart(names, [memory.frame(array) for array in grads.arrays], parameters.frames)
    return grads


def state_norms_for(net: Net, problem: Problem) -> dict[str, Array]:
    """Give the problem the array that backward fills with norms; the norms by name of each state."""
    norms = np.zeros((problem.steps, net.num_layers * net.num_directions, 2))
    problem.state_grad_norms = norms
    return {name: norms[:, :, column] for column, name in enumerate(net.states)}


def _params(params: Any, net: Net, memory: Memory) -> dict[str, Array]:
    expected = net.shapes
    if not isinstance(params, dict):
        kind = type(params).__name__
        raise TypeError(f"out is of type {kind}, expected gradients or a dict of arrays by parameter name")
    if params.keys() != expected.keys():
        missing = [name for name in expected if name not in params]
        unknown = [name for name in params if name not in expected]
        raise ValueError(f"out must have every parameter's name: missing {missing}, of no parameter {unknown}")
    for name, shape in expected.items():
        memory.check_output(_label(name), params[name], shape, net.dtype, net.name, dense=True)
    return params


def _label(name: str) -> str:
    return f"out[{name!r}]"
