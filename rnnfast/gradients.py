"""The gradients that `backward` returns, and the arrays they are written to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from rnnfast import states
from rnnfast.arrays import check_output, empty
from rnnfast.calls import result
from rnnfast.layout import Layout
from rnnfast.net import Net
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


def gradients_for(
    net: Net, layout: Layout, problem: Problem, need_x: bool, out: Any, accumulate: bool
) -> Gradients[Any]:
    """Arrays to write into, taken from `out` where it has them. Nothing is changed unless all of them fit."""
    if out is None:
        if accumulate:
            raise ValueError("accumulate=True adds to the gradients in out: pass out")
        out = {name: empty(shape, net.dtype) for name, shape in net.shapes()}
    given = out if isinstance(out, Gradients) else Gradients(None, None, out)
    if not isinstance(given.params, dict):
        raise TypeError(
            f"out is of type {type(out).__name__}, expected gradients or a dict of arrays by parameter name"
        )
    x_shape = layout.sequence_shape(problem.steps, problem.batch, net.input_size)
    x = result("out.x", given.x, x_shape, net) if need_x else None
    state_shape = states.shape_of(net, layout, problem.batch)
    labelled = states.parts("out.state", given.state, net)
    state = [result(label, part, state_shape, net, dense=True) for label, part in labelled]
    _check_params(given.params, net)
    if not accumulate:
        for array in given.params.values():
            array.fill(0)
    return Gradients(x, states.joined(state), given.params)


def _check_params(params: dict[str, Array], net: Net) -> None:
    expected = dict(net.shapes())
    if params.keys() != expected.keys():
        missing, unknown = sorted(expected.keys() - params.keys()), sorted(params.keys() - expected.keys())
        raise ValueError(f"out must have every parameter's name: missing {missing}, of no parameter {unknown}")
    for name, shape in expected.items():
        check_output(f"out[{name!r}]", params[name], shape, net.dtype, net.name, dense=True)
