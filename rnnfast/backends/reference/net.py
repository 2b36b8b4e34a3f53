"""A net of the reference: its layers and directions in turn, with dropout on what each layer reads.

Layer l, direction d is k = l · D + d. Sequences come time-major and states as (L·D, B, H), whatever the caller has.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnfast.backends.contract import BackwardArrays, ForwardArrays
from rnnfast.backends.reference.cells import FORMULAS, Named, Weights
from rnnfast.backends.reference.dropout import input_mask, recurrent_mask
from rnnfast.backends.reference.layer import Layer, LayerGradients
from rnnfast.backends.reference.product import rounded_product
from rnnfast.backends.reference.reserves import Reserve
from rnnfast.backends.reference.schedule import schedule
from rnnfast.problem import Array, Problem


def forward(problem: Problem, arrays: ForwardArrays, seed: int) -> Reserve | None:
    """Write y and the final states; return what backward needs, None unless the problem is recorded."""
    ragged = arrays.lengths, arrays.mask, arrays.resets
    schedules = [
        schedule(problem.steps, problem.batch, *ragged, problem.direction(half))
        for half in range(problem.num_directions)
    ]
    reserve = Reserve([], [])
    x = arrays.x
    for number in range(problem.num_layers):
        x_mask = input_mask(problem, number, seed)
        x_in = x if x_mask is None else x * x_mask
        top = number == problem.num_layers - 1
        y = arrays.y if top else np.zeros(arrays.y.shape, problem.dtype)
        for half in range(problem.num_directions):
            k = number * problem.num_directions + half
            h_mask = recurrent_mask(problem, k, seed)
            start = states_of(problem, arrays.start, k)
            final, kept = layer_of(problem, k).forward(
                schedules[half], h_mask, x_in, features_of(problem, y, half), start
            )
            write_states(arrays.final, k, final)
            if problem.record:
                reserve.layers.append(kept)
        reserve.x_masks.append(x_mask)
        x = y
    return reserve if problem.record else None


def backward(problem: Problem, reserve: Reserve, arrays: BackwardArrays, *, overwrite: bool) -> None:
    """Write dx, the gradients of the initial states and the norms; write the parameters' gradients or add to them."""
    shape = (problem.steps, problem.batch, problem.num_directions * problem.state_size)
    dy = np.zeros(shape, problem.dtype) if arrays.dy is None else arrays.dy
    for number in reversed(range(problem.num_layers)):
        dx = np.zeros((*shape[:2], problem.input_size if number == 0 else shape[2]), problem.dtype)
        for half in range(problem.num_directions):
            k = number * problem.num_directions + half
            d_final = states_of(problem, arrays.d_final, k)
            gradients = layer_of(problem, k).backward(reserve.layers[k], features_of(problem, dy, half), dx, d_final)
            write_states(arrays.d_start, k, gradients.states)
            if arrays.d_parameters is not None:
                write_parameters(problem, arrays.d_parameters, k, gradients, overwrite=overwrite)
            if arrays.norms is not None:
                arrays.norms[:, k] = gradients.norms
        x_mask = reserve.x_masks[number]
        dy = dx if x_mask is None else dx * x_mask
    if arrays.dx is not None:
        arrays.dx[...] = dy + arrays.dx if problem.only_direction == 2 else dy


def layer_of(problem: Problem, k: int) -> Layer:
    """Return layer-direction k; only the last layer holds outputs, those below it are never shown."""
    optional = problem.bias_ih, problem.bias_hh, problem.weight_hr
    b_ih, b_hh, hr = (None if table is None else table[k] for table in optional)
    product = rounded_product if problem.precision == "bfloat16" else np.matmul
    weights = Weights(problem.weight_ih[k], problem.weight_hh[k], b_ih, b_hh, hr, product)
    top = k // problem.num_directions == problem.num_layers - 1
    return Layer(FORMULAS[problem.cell], weights, hold=problem.masked_output == "hold" and top)


def features_of(problem: Problem, a: Array, half: int) -> Array:
    """Return the part of a (T, B, D·S) array that belongs to a direction, (T, B, S)."""
    part: Array = a[..., half * problem.state_size :][..., : problem.state_size]
    return part


def states_of(problem: Problem, given: Sequence[Array | None], k: int) -> Named:
    """Return layer-direction k's part of (L·D, B, H) arrays by name: zeros where there is none."""
    states = {name: a[k] for name, a in zip(problem.states, given, strict=False) if a is not None}
    return {
        name: states[name] if name in states else np.zeros((problem.batch, size), problem.dtype)
        for name, size in zip(problem.states, problem.state_sizes, strict=True)
    }


def write_states(wanted: Sequence[Array | None], k: int, states: Named) -> None:
    """Write layer-direction k's part of (L·D, B, H) arrays, where they are wanted."""
    for array, state in zip(wanted, states.values(), strict=False):
        if array is not None:
            array[k] = state


def write_parameters(
    problem: Problem, wanted: Sequence[Array], k: int, gradients: LayerGradients, *, overwrite: bool
) -> None:
    """Write layer-direction k's part of the parameters' gradients, or add to it."""
    found = [gradients.weight_ih, gradients.weight_hh]
    found += [gradients.bias_ih, gradients.bias_hh] if problem.bias_ih is not None else []
    found += [] if gradients.weight_hr is None else [gradients.weight_hr]
    for array, gradient in zip(wanted[k * len(found) :], found, strict=False):
        array[...] = gradient if overwrite else array + gradient
