"""Proofs of the reference: finite differences, steps worked out by hand, and rules that hold between whole runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scalar_dropout import scalar_factor
from support import (
    GRADIENTS,
    PARAMETERS,
    STATES,
    Spec,
    assert_same,
    live_and_cut,
    make_problem,
    pick,
    run,
    with_outputs,
)

from rnnfast.backends.common import whole
from rnnfast.backends.reference import backend as reference
from rnnfast.problem import CELLS, Array, Problem

FINAL = ("h_n", "c_n", "dh0", "dc0")
ALL_CELLS = pytest.mark.parametrize("cell", CELLS)
RAGGED = {"lengths": True, "mask": True, "resets": True}
SMALL = {"steps": 4, "batch": 3, "input_size": 2, "hidden_size": 3, "scale": 1.5}
OPTIONS = {
    "plain": SMALL,
    "bare": {**SMALL, "bias": False, "states": False},
    "ragged": {**SMALL, **RAGGED, "steps": 6},
    "hold": {**SMALL, **RAGGED, "steps": 6, "masked_output": "hold"},
    "input dropout": {**SMALL, "input_dropout": 0.4},
    "recurrent dropout": {**SMALL, "recurrent_dropout": 0.4},
    "stacked": {**SMALL, "hidden_size": 2, "layers": 2, "directions": 2, **RAGGED, "masked_output": "hold"},
    "all dropouts": {
        **SMALL,
        "hidden_size": 2,
        "batch": 2,
        "layers": 2,
        "directions": 2,
        "mask": True,
        "dropout": 0.3,
        "input_dropout": 0.3,
        "recurrent_dropout": 0.3,
    },
}


def loss(problem: Problem) -> float:
    """⟨y, dy⟩ + ⟨h_n, dh_n⟩ + ⟨c_n, dc_n⟩, whose gradients are what backward computes."""
    p = replace(problem, record=False)
    whole.forward(reference, p)
    pairs = ((p.y, p.dy), (p.h_n, p.dh_n), (p.c_n, p.dc_n))
    return float(sum(np.vdot(value, d) for value, d in pairs if value is not None and d is not None))


def finite_differences(problem: Problem, a: Array, step: float = 1e-5) -> Array:
    """d loss / d a by central differences, a being one of the problem's arrays."""
    result = np.empty_like(a)
    for place in np.ndindex(a.shape):
        value = a[place]
        a[place] = value + step
        above = loss(problem)
        a[place] = value - step
        result[place] = (above - loss(problem)) / (2 * step)
        a[place] = value
    return result


@ALL_CELLS
@pytest.mark.parametrize("option", OPTIONS)
def test_every_gradient_equals_finite_differences(cell: str, option: str) -> None:
    problem = make_problem(Spec(cell, **OPTIONS[option]))
    results = run(reference, problem)
    inputs = {f"d_{name}[{k}]": a for name in PARAMETERS for k, a in enumerate(getattr(problem, name) or [])}
    inputs |= {f"d{name}": getattr(problem, name) for name in ("x", "h0", "c0") if getattr(problem, name) is not None}
    for name, a in inputs.items():
        np.testing.assert_allclose(results[name], finite_differences(problem, a), rtol=1e-6, atol=2e-9, err_msg=name)


def by_hand(p: Problem, x: Array, h: Array, c: Array, dropped: Array) -> tuple[Array, Array]:
    """h' and c' of one row from the textbook equations, for vectors x, h, c; `dropped` is h after its dropout."""
    w, u, bw, bu, size = p.weight_ih[0], p.weight_hh[0], p.bias_ih[0], p.bias_hh[0], p.hidden_size

    def x_part(gate: int) -> Array:
        return w[gate * size : (gate + 1) * size] @ x + bw[gate * size : (gate + 1) * size]

    def h_part(gate: int, operand: Array = dropped) -> Array:
        return u[gate * size : (gate + 1) * size] @ operand + bu[gate * size : (gate + 1) * size]

    def sigma(gate: int) -> Array:
        return 1 / (1 + np.exp(-(x_part(gate) + h_part(gate))))

    if p.cell.startswith("rnn"):
        a = x_part(0) + h_part(0)
        return {"rnn_tanh": np.tanh(a), "rnn_relu": np.where(a > 0, a, 0), "rnn_linear": a}[p.cell], c
    if p.cell.startswith("lstm"):
        after = sigma(1) * c + sigma(0) * np.tanh(x_part(2) + h_part(2))
        shown = sigma(3) * np.tanh(after)
        return (shown if p.weight_hr is None else p.weight_hr[0] @ shown), after
    r, z = sigma(0), sigma(1)
    n = np.tanh(x_part(2) + (r * h_part(2) if p.cell == "gru" else h_part(2, r * dropped)))
    return (1 - z) * n + z * h, c


@ALL_CELLS
@pytest.mark.parametrize("masked_output", ["zero", "hold"])
@pytest.mark.parametrize("recurrent_dropout", [0.0, 0.5])
def test_ragged_batch_equals_its_rows_by_hand(cell: str, masked_output: str, recurrent_dropout: float) -> None:
    spec = Spec(cell, steps=9, batch=5, **RAGGED, masked_output=masked_output, recurrent_dropout=recurrent_dropout)
    p = make_problem(spec)
    whole.forward(reference, p)
    live, cut = live_and_cut(p)
    for b in range(p.batch):
        keep = [scalar_factor(p, recurrent_dropout, b, unit, 0, tag=2) for unit in range(p.state_size)]
        h, c = p.h0[0, b], np.zeros(p.hidden_size) if p.c0 is None else p.c0[0, b]
        last = np.zeros(p.state_size)
        for t in range(p.steps):
            if cut[t, b]:
                h, c = np.zeros_like(h), np.zeros_like(c)
            if live[t, b]:
                h, c = by_hand(p, p.x[t, b], h, c, h * keep)
                last = h
            shown = last if live[t, b] or masked_output == "hold" else np.zeros_like(h)
            np.testing.assert_allclose(p.y[t, b], shown, rtol=1e-12)
        np.testing.assert_allclose(p.h_n[0, b], h, rtol=1e-12)
        if p.c_n is not None:
            np.testing.assert_allclose(p.c_n[0, b], c, rtol=1e-12)


def layer_of(p: Problem, ks: list[int], **changes: Any) -> Problem:
    """A net of one layer with the parameters, states and gradients of states of layer-directions `ks` of another."""
    lists = {name: None if getattr(p, name) is None else [getattr(p, name)[k] for k in ks] for name in PARAMETERS}
    states = {name: None if getattr(p, name) is None else getattr(p, name)[ks] for name in STATES}
    return with_outputs(replace(p, num_layers=1, num_directions=len(ks), **lists, **states, **changes))


@ALL_CELLS
def test_two_directions_are_a_net_on_x_and_a_net_on_x_turned_round(cell: str) -> None:
    p = make_problem(Spec(cell, steps=7, batch=4, directions=2, **RAGGED))
    live, cut = live_and_cut(p)
    h = p.state_size
    turned_cut = np.zeros_like(cut)
    for t in range(1, p.steps):
        turned_cut[p.steps - 1 - (t - 1)] = cut[t]  # going down, step t - 1 starts from zeros
    turned = {"x": p.x[::-1], "dy": p.dy[::-1, :, h:], "lengths": None, "mask": live[::-1], "resets": turned_cut}
    both, ahead = run(reference, p), run(reference, layer_of(p, [0], dy=p.dy[:, :, :h]))
    back = run(reference, layer_of(p, [1], **turned))
    np.testing.assert_array_equal(both["y"], np.concatenate([ahead["y"], back["y"][::-1]], axis=2))
    np.testing.assert_allclose(both["dx"], ahead["dx"] + back["dx"][::-1], rtol=1e-13)
    for k, part in enumerate((ahead, back)):
        of_part = {f"{name}[0]": both[f"{name}[{k}]"] for name in GRADIENTS if f"{name}[{k}]" in both}
        assert_same(of_part, pick(part, GRADIENTS))
        assert_same({name: both[name][k : k + 1] for name in part if name in FINAL}, pick(part, FINAL))


@ALL_CELLS
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_two_layers_are_a_net_on_the_output_of_another(cell: str, dropout: float) -> None:
    p = make_problem(Spec(cell, layers=2, directions=2, **RAGGED, dropout=dropout, masked_output="hold"))
    factors = np.array(
        [
            [[scalar_factor(p, dropout, b, unit, t, tag=8) for unit in range(2 * p.state_size)] for b in range(p.batch)]
            for t in range(p.steps)
        ]
    )
    below = layer_of(p, [0, 1], masked_output="zero")
    whole.forward(reference, below)
    above = layer_of(p, [2, 3], x=below.y * factors, input_size=2 * p.state_size)
    upper = run(reference, above)
    below.dy = above.dx * factors
    lower = run(reference, below)
    both = run(reference, p)
    assert_same(both, {"y": upper["y"], "dx": lower["dx"]})
    for k in range(4):
        part = pick((lower, upper)[k // 2], GRADIENTS)
        assert_same(both, {f"{name.split('[')[0]}[{k}]": a for name, a in part.items() if name.endswith(f"[{k % 2}]")})
    assert_same(both, {name: np.concatenate([lower[name], upper[name]]) for name in FINAL if name in both})


@ALL_CELLS
def test_norms_are_those_of_the_gradients_that_the_rest_of_the_run_sends_back(cell: str) -> None:
    p = make_problem(Spec(cell, steps=6, batch=4, mask=True, resets=True))
    live, _ = live_and_cut(p)
    whole.forward(reference, p)
    gates = whole.activations(p)
    whole.backward(p)
    for t in range(p.steps):
        start = {"steps": t + 1, "x": p.x[: t + 1], "dy": p.dy[: t + 1]}
        first = with_outputs(replace(p, **start, mask=p.mask[: t + 1], resets=p.resets[: t + 1]))
        whole.forward(reference, first)
        rest = replace(p, steps=p.steps - t - 1, x=p.x[t + 1 :], dy=p.dy[t + 1 :], h0=first.h_n, c0=first.c_n)
        after = run(reference, with_outputs(replace(rest, mask=p.mask[t + 1 :], resets=p.resets[t + 1 :])))
        dh = (after["dh0"][0] + p.dy[t])[live[t]]
        expected = [np.linalg.norm(dh), 0.0]
        if cell.startswith("lstm"):
            o, c = gates["o"][0, t, live[t]], gates["c"][0, t, live[t]]
            d_shown = dh if p.weight_hr is None else dh @ p.weight_hr[0]
            expected[1] = np.linalg.norm(after["dc0"][0, live[t]] + d_shown * o * (1 - np.tanh(c) ** 2))
        np.testing.assert_allclose(p.state_grad_norms[t, 0], expected, rtol=1e-12)


def test_activations_are_the_gates_of_every_live_step() -> None:
    for cell in CELLS:
        p = make_problem(Spec(cell, directions=2, **RAGGED))
        whole.forward(reference, p)
        gates = whole.activations(p)
        live, _ = live_and_cut(p)
        assert list(gates) == [*CELLS[cell].gates, *CELLS[cell].states[1:]]
        for values in gates.values():
            assert values.shape == (2, p.steps, p.batch, p.hidden_size) and not values[:, ~live].any()
        shown = {"lstm": lambda g: g["o"] * np.tanh(g["c"])}.get(cell, lambda g: g.get("h"))(gates)
        if shown is not None:
            np.testing.assert_array_equal(np.concatenate(list(shown), axis=2), p.y)


def test_float32_computes_in_float32() -> None:
    for cell in CELLS:
        p = make_problem(Spec(cell, input_dropout=0.5, recurrent_dropout=0.5), np.float32)
        whole.forward(reference, p)
        for step in p.reserve.kept.layers[0].steps:
            assert {a.dtype for a in (step.x, step.h_in, *step.saved.values())} == {np.dtype(np.float32)}
