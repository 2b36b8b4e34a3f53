"""A whole net on the Numba CPU backend: its layers and directions in turn, on rows of live steps between them."""

from __future__ import annotations

import numpy as np

from rnnfast.backends.common.layers import half_of, weights_of
from rnnfast.backends.numba.entries import Entries, cut_of, entries_of
from rnnfast.backends.numba.gradients import bias_gradients, input_gradient, weight_gradients
from rnnfast.backends.numba.layer import Layer, States, shape_for
from rnnfast.backends.numba.operands import Packed, pack
from rnnfast.backends.reference.dropout import input_mask, recurrent_mask
from rnnfast.problem import CELLS, Array, Problem

NO_NORMS = np.empty((0, 2))


def packed(problem: Problem) -> list[Packed]:
    """The weights of every layer and direction as forward reads them."""
    return [pack(shape_for(problem, k), weights_of(problem, k), keep=True) for k in range(len(problem.weight_ih))]


def forward(problem: Problem, x: Array, y: Array, start: States, final: States) -> list[Layer] | None:
    """Write y and the final states, which go before those of the problem; returns the layers if it is recorded."""
    entries, halves = entries_of(problem), range(problem.num_directions)
    cuts = [cut_of(problem, problem.direction(half)) for half in halves]
    tape: list[Layer] = []
    rows = entries.of(x)
    for number in range(problem.num_layers):
        top, outputs = number == problem.num_layers - 1, []
        x_mask = _input_mask(problem, number, entries)
        rows = _times(rows, x_mask)
        for half in halves:
            k = number * len(halves) + half
            layer = Layer(problem, k, entries, cuts[half], recurrent_mask(problem, k), x_mask)
            in_place = top and entries.live is None and len(halves) == 1 and y.flags.carray
            h_after = y.reshape(entries.count, problem.hidden_size) if in_place else layer.empty(entries.count)
            layer.forward(rows, *layer.states(k, start, final), h_after, record=problem.record)
            if number == 0:
                layer.x = layer.none  # backward has it from the problem
            if top and not in_place:
                _write_output(problem, entries, half, y, h_after)
            outputs.append(h_after)
            tape.append(layer)
        rows = outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=1)
    return tape if problem.record else None


def backward(problem: Problem, tape: list[Layer]) -> None:
    """Write dx, dh0, dc0 and add to the parameters' gradients."""
    entries, given, wanted = tape[0].entries, (problem.dh_n, problem.dc_n), (problem.dh0, problem.dc0)
    assert problem.x is not None
    x = _times(entries.of(problem.x), tape[0].x_mask)  # again, as it may have been moved out of the way of results
    d_x: Array | None = None
    for number in reversed(range(problem.num_layers)):
        d_y, d_x = d_x, None
        for half in range(problem.num_directions):
            k = number * problem.num_directions + half
            layer = tape[k]
            layer.x = layer.x if number else x
            if d_y is None:
                d = _output_gradient(problem, entries, half)
            else:
                d = np.ascontiguousarray(half_of(problem, d_y, half))
            norms = NO_NORMS if problem.state_grad_norms is None else np.zeros((entries.count, 2))
            layer.backward(d, *layer.states(k, given, wanted), norms)
            if number > 0 or problem.dx is not None:
                d_x = input_gradient(layer, d_x)
            _hand_out(problem, k, layer, norms)
        d_x = None if d_x is None else _times(d_x, tape[k].x_mask)
    if problem.dx is not None and d_x is not None:
        entries.into(problem.dx, d_x + entries.of(problem.dx) if problem.half == 2 else d_x)


def kept_bytes(problem: Problem) -> int:
    """Bytes of the arrays that a recorded `forward` leaves where every step is live."""
    count, hidden, batch = problem.steps * problem.batch, problem.hidden_size, problem.batch
    lstm, before, dropped = problem.cell == "lstm", problem.cell == "gru_before", problem.recurrent_dropout > 0
    rows, constant = 0, 0
    for k, weight in enumerate(problem.weight_ih):
        rows += shape_for(problem, k).columns + hidden * (1 + 2 * lstm + before + dropped)
        constant += batch * hidden * dropped
        if k % problem.num_directions == 0:
            dropout = problem.dropout if problem.first_layer + k else problem.input_dropout
            rows += weight.shape[1] * ((k > 0) + (dropout > 0))
    flags = count * problem.num_directions * (problem.resets is not None)
    return problem.dtype.itemsize * (count * rows + constant) + 8 * count + flags


def activations(problem: Problem, tape: list[Layer]) -> dict[str, Array]:
    """Post-activation gates by name, and "c" if there is one: (L·D, T, B, H), zero at steps that are not live."""
    cell, size = CELLS[problem.cell], problem.hidden_size
    shape = (len(tape), problem.steps, problem.batch, size)
    result = {name: np.empty(shape, problem.dtype) for name in (*cell.gates, *cell.states[1:])}
    for k, layer in enumerate(tape):
        for n, name in enumerate(cell.gates):
            layer.entries.into(result[name][k], layer.gates[:, n * size : (n + 1) * size])
        if "c" in result:
            layer.entries.into(result["c"][k], layer.c_after)
    return result


def _input_mask(problem: Problem, number: int, entries: Entries) -> Array | None:
    mask = input_mask(problem, number)
    return None if mask is None else entries.of(mask)


@np.errstate(all="ignore")
def _masked(rows: Array, mask: Array) -> Array:
    product: Array = rows * mask
    return product


def _times(rows: Array, mask: Array | None) -> Array:
    """A layer's input, or its gradient, under dropout if there is any."""
    return rows if mask is None else _masked(rows, mask)


def _write_output(problem: Problem, entries: Entries, half: int, y: Array, h_after: Array) -> None:
    own = half_of(problem, y, half)
    if problem.masked_output == "hold" and entries.live is not None:
        nothing = np.zeros((1, problem.hidden_size), problem.dtype)
        own[...] = np.concatenate([h_after, nothing])[entries.held(problem.direction(half))]
    else:
        entries.into(own, h_after)


def _output_gradient(problem: Problem, entries: Entries, half: int) -> Array:
    """dL/dh' of every entry by way of y."""
    if problem.dy is None:
        return np.zeros((entries.count, problem.hidden_size), problem.dtype)
    dy = half_of(problem, problem.dy, half)
    d = entries.of(dy)
    if problem.masked_output == "hold" and entries.live is not None:
        held = entries.held(problem.direction(half))
        repeats = ~entries.live & (held >= 0)
        with np.errstate(all="ignore"):
            np.add.at(d, held[repeats], dy[repeats])
    return d


def _hand_out(problem: Problem, k: int, layer: Layer, norms: Array) -> None:
    """Put one layer-direction's gradients where they are wanted."""
    weights, biases = (problem.d_weight_ih, problem.d_weight_hh), (problem.d_bias_ih, problem.d_bias_hh)
    for gradients, tables in ((weight_gradients, weights), (bias_gradients, biases)):
        d_ih, d_hh = (None if table is None else table[k] for table in tables)
        gradients(layer, d_ih, d_hh, add=not problem.overwrite)
    if problem.state_grad_norms is not None:
        problem.state_grad_norms[:, k] = np.sqrt(layer.entries.sums(norms))
