"""The reference backend: what every backend computes, in plain NumPy, one step after another.

Written to be read and checked, not to be fast. Only live rows are touched, so whatever stands at a step that is not
live, or in a state that a reset replaces, cannot reach a result.
"""

from __future__ import annotations

import numpy as np

from rnnfast.backends.common.layers import half_of, schedule, visit, weights_of, write_gradients, write_states
from rnnfast.backends.reference.cells import FORMULAS, Named
from rnnfast.backends.reference.dropout import input_mask, recurrent_mask
from rnnfast.backends.reference.layer import Layer, LayerGradients
from rnnfast.problem import CELLS, Array, Problem

SAVED = {"rnn_tanh": 1, "rnn_relu": 1, "rnn_linear": 1, "lstm": 7, "gru": 7, "gru_before": 4}
"""Numbers per unit and step that a cell's formulas keep; what is a part of a product keeps all of it."""


def variants() -> tuple[str, ...]:
    """There is one form."""
    return ()


def reason(variant: str | None = None) -> str | None:
    """None: it runs everywhere."""
    return None if variant is None else f"the reference backend has one form only, not {variant!r}"


def pack(problem: Problem) -> None:
    """None: packing gains nothing here."""


def bind(problem: Problem) -> None:
    """None: binding gains nothing here."""


def forward(problem: Problem) -> None:
    """Write y and final states; with `record`, keep in `reserve` what `backward` needs."""
    assert problem.x is not None and problem.y is not None
    tape = []
    x = problem.x
    with np.errstate(all="ignore"):
        for number in range(problem.num_layers):
            top = number == problem.num_layers - 1
            y = problem.y if top else np.zeros(problem.y.shape, problem.dtype)
            for half in range(problem.num_directions):
                k = number * problem.num_directions + half
                layer, direction = _layer(problem, k), problem.direction(k)
                initial = _states(problem, k, problem.h0, problem.c0)
                final = layer.forward(visit(x, direction), visit(half_of(problem, y, half), direction), initial)
                write_states((problem.h_n, problem.c_n), k, final.values())
                tape.append(layer)
            x = y
    problem.reserve = tape if problem.record else None


def backward(problem: Problem) -> None:
    """Write dx, dh0, dc0 and add to the parameters' gradients. Consumes `reserve`."""
    tape: list[Layer] = problem.reserve
    problem.reserve = None
    shape = (problem.steps, problem.batch, problem.num_directions * problem.hidden_size)
    dy = np.zeros(shape, problem.dtype) if problem.dy is None else problem.dy
    with np.errstate(all="ignore"):
        for number in reversed(range(problem.num_layers)):
            dx = np.zeros((*shape[:2], problem.input_size if number == 0 else shape[2]), problem.dtype)
            for half in range(problem.num_directions):
                k = number * problem.num_directions + half
                direction = problem.direction(k)
                d_final = _states(problem, k, problem.dh_n, problem.dc_n)
                dy_half = visit(half_of(problem, dy, half), direction)
                _hand_out(problem, k, tape[k].backward(dy_half, visit(dx, direction), d_final))
            dy = dx
    if problem.dx is not None:
        problem.dx[...] = dx + problem.dx if problem.half == 2 else dx


def reserve_bytes(problem: Problem) -> int:
    """Bytes of the arrays that a recorded `forward` leaves in `reserve` where every step is live."""
    entries, size, directions = problem.steps * problem.batch, problem.dtype.itemsize, problem.num_directions
    dropped = problem.hidden_size if problem.recurrent_dropout else 0
    states = problem.hidden_size * (len(problem.states) + SAVED[problem.cell]) + dropped
    total = 0
    for k, weight in enumerate(problem.weight_ih):
        number = problem.first_layer + k // directions
        mask = weight.shape[1] if number and problem.dropout and k % directions == 0 else 0
        total += entries * (size * (weight.shape[1] + states + mask) + 10) + size * problem.batch * dropped
    return total


def ran(problem: Problem) -> str:
    """There is one way."""
    return ""


def activations(problem: Problem) -> dict[str, Array]:
    """From a recorded problem, before `backward`: post-activation gates by name, and "c" for cells that have it.

    Each (L·D, T, B, H); zero at steps that are not live.
    """
    cell = CELLS[problem.cell]
    tape: list[Layer] = problem.reserve
    shape = (len(tape), problem.steps, problem.batch, problem.hidden_size)
    result = {name: np.zeros(shape, problem.dtype) for name in (*cell.gates, *cell.states[1:])}
    for name, values in result.items():
        for k, layer in enumerate(tape):
            in_visit_order = visit(values[k], problem.direction(k))
            for t, step in enumerate(layer.steps):
                in_visit_order[t, step.rows] = step.saved[name]
    return result


def _layer(problem: Problem, k: int) -> Layer:
    number, direction = k // problem.num_directions, problem.direction(k)
    live, cut = schedule(problem, direction)
    x_mask = input_mask(problem, number)
    return Layer(
        FORMULAS[problem.cell],
        weights_of(problem, k),
        live,
        cut,
        hold=problem.masked_output == "hold" and number == problem.num_layers - 1,
        x_mask=None if x_mask is None else visit(x_mask, direction),
        h_mask=recurrent_mask(problem, k),
    )


def _states(problem: Problem, k: int, h: Array | None, c: Array | None) -> Named:
    """Layer-direction k's part of (L·D, B, H) arrays by name; zeros where there is none."""
    zeros = np.zeros((problem.batch, problem.hidden_size), problem.dtype)
    return {name: zeros if a is None else a[k] for name, a in zip(problem.states, (h, c), strict=False)}


def _hand_out(problem: Problem, k: int, gradients: LayerGradients) -> None:
    """Put one layer-direction's gradients where they are wanted."""
    write_gradients(problem, k, (gradients.weight_ih, gradients.weight_hh, gradients.bias_ih, gradients.bias_hh))
    write_states((problem.dh0, problem.dc0), k, gradients.states.values())
    if problem.state_grad_norms is not None:
        problem.state_grad_norms[:, k] = visit(gradients.norms, problem.direction(k))
