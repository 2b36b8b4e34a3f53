"""The Numba CPU backend: compiled where no C compiler is, by LLVM, on first use."""

from __future__ import annotations

import functools
import importlib.util
from typing import Any

import numpy as np

from rnnfast.backends.layers import half_of, weights_of, write_gradients, write_states
from rnnfast.backends.reference_dropout import input_mask, recurrent_mask
from rnnfast.problem import CELLS, Array, Problem


def variants() -> tuple[str, ...]:
    """There is one form."""
    return ()


@functools.cache
def reason(variant: str | None = None) -> str | None:
    """None where Numba can be imported."""
    if variant is not None:
        return f"the numba backend has one form only, not {variant!r}"
    if importlib.util.find_spec("numba") is None:
        return "numba is not installed: pip install 'rnnfast[numba]'"
    return None


def pack(problem: Problem) -> None:
    """None: packing gains nothing here."""


def bind(problem: Problem) -> None:
    """None: binding gains nothing here."""


@np.errstate(all="ignore")
def forward(problem: Problem) -> None:
    """Write y and final states; with `record`, keep in `reserve` what `backward` needs."""
    from rnnfast.numba_kernels import compiling
    from rnnfast.numba_kernels.entries import entries
    from rnnfast.numba_kernels.layer import Layer

    assert problem.x is not None and problem.y is not None
    compiling.announce()
    every = [entries(problem, direction) for direction in range(problem.num_directions)]
    tape: list[Layer] = []
    x = problem.x
    for number in range(problem.num_layers):
        top = number == problem.num_layers - 1
        y = problem.y if top else np.zeros(problem.y.shape, problem.dtype)
        x_mask = input_mask(problem, number)
        for direction, live in enumerate(every):
            k = number * problem.num_directions + direction
            layer = Layer(problem.cell, weights_of(problem, k), live, recurrent_mask(problem, k))
            if x_mask is not None:
                layer.x_mask = live.of(x_mask)
            h, c = _states(problem, k, problem.h0, problem.c0)
            x_in = live.of(x) if layer.x_mask is None else live.of(x) * layer.x_mask
            h_after = layer.forward(x_in, h, c)
            _write_output(problem, live, half_of(problem, y, direction), h_after, hold=top)
            write_states((problem.h_n, problem.c_n), k, (h, c))
            tape.append(layer)
        x = y
    problem.reserve = tape if problem.record else None


@np.errstate(all="ignore")
def backward(problem: Problem) -> None:
    """Write dx, dh0, dc0 and add to the parameters' gradients. Consumes `reserve`."""
    tape = problem.reserve
    problem.reserve = None
    shape = (problem.steps, problem.batch, problem.num_directions * problem.hidden_size)
    dy = np.zeros(shape, problem.dtype) if problem.dy is None else problem.dy
    for number in reversed(range(problem.num_layers)):
        top, wanted = number == problem.num_layers - 1, number > 0 or problem.dx is not None
        dx = np.zeros((*shape[:2], problem.input_size if number == 0 else shape[2]), problem.dtype)
        for direction in range(problem.num_directions):
            k = number * problem.num_directions + direction
            layer = tape[k]
            live = layer.entries
            dh, dc = _states(problem, k, problem.dh_n, problem.dc_n)
            d = _output_gradient(problem, live, half_of(problem, dy, direction), hold=top)
            norms = np.zeros((live.count if problem.state_grad_norms is not None else 0, 2))
            layer.backward(d, dh, dc, norms)
            if wanted:
                d_x = layer.input_gradient()
                live.into(dx, d_x if layer.x_mask is None else d_x * layer.x_mask, add=True)
            _hand_out(problem, k, layer, dh, dc, norms)
        dy = dx
    if problem.dx is not None:
        problem.dx[...] = dx


def ran(problem: Problem) -> str:
    """There is one way."""
    return ""


def activations(problem: Problem) -> dict[str, Array]:
    """From a recorded problem, before `backward`: post-activation gates by name, and "c" for cells that have it.

    Each (L·D, T, B, H); zero at steps that are not live.
    """
    cell, size = CELLS[problem.cell], problem.hidden_size
    shape = (len(problem.reserve), problem.steps, problem.batch, size)
    result = {name: np.zeros(shape, problem.dtype) for name in (*cell.gates, *cell.states[1:])}
    for k, layer in enumerate(problem.reserve):
        for n, name in enumerate(cell.gates):
            layer.entries.into(result[name][k], np.ascontiguousarray(layer.gates[:, n * size : (n + 1) * size]))
        if "c" in result:
            layer.entries.into(result["c"][k], layer.c_after)
    return result


def _states(problem: Problem, k: int, h: Array | None, c: Array | None) -> tuple[Array, Array]:
    """Copies of layer-direction k's part of (L·D, B, H) arrays; zeros where there is none."""
    shape = (problem.batch, problem.hidden_size)
    first, second = (np.zeros(shape, problem.dtype) if a is None else a[k].copy() for a in (h, c))
    return first, second


def _write_output(problem: Problem, live: Any, y: Array, h_after: Array, *, hold: bool) -> None:
    if live.all_live:
        live.into(y, h_after)
    elif hold and problem.masked_output == "hold":
        held = live.held()
        padded = np.concatenate([h_after, np.zeros((1, problem.hidden_size), problem.dtype)])
        live.visit(y)[...] = padded[held]
    else:
        y[...] = 0
        live.into(y, h_after)


def _output_gradient(problem: Problem, live: Any, dy: Array, *, hold: bool) -> Array:
    """dL/dh' of every entry by way of y."""
    d: Array = live.of(dy).copy()
    if hold and problem.masked_output == "hold" and not live.all_live:
        held = live.held()
        repeats = ~live.live & (held >= 0)
        np.add.at(d, held[repeats], live.visit(dy)[repeats])
    return d


def _hand_out(problem: Problem, k: int, layer: Any, dh: Array, dc: Array, norms: Array) -> None:
    """Put one layer-direction's gradients where they are wanted."""
    write_gradients(problem, k, (*layer.weight_gradients(), *layer.bias_gradients()))
    write_states((problem.dh0, problem.dc0), k, (dh, dc))
    if problem.state_grad_norms is not None:
        live = layer.entries
        sums = np.zeros((problem.steps, 2))
        np.add.at(sums, live.visits, norms)
        live.visit(problem.state_grad_norms[:, k])[...] = np.sqrt(sums)
