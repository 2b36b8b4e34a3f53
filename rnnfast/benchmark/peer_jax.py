"""JAX: a jitted `lax.scan` over the steps, the input product taken out of it as one matrix product."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data
from rnnfast.benchmark.peers import Prepared
from rnnfast.problem import Array

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_enable_x64", True)


def lacks(case: Case) -> str | None:
    """Lengths: `lax.scan` runs every step of every row."""
    return "a scan has no lengths" if case.kind == "ragged" else None


def prepare(case: Case, data: Data) -> Prepared:
    """Compiled at the first call. Its threads are as many as there were processors when it was first imported."""
    weights, x, dy = jax.device_put((data.weights, data.x, data.dy))
    states = jax.device_put(data.states)

    def forward(weights: Any, x: Any, states: Any) -> Any:
        return _forward(case, weights, x, states)

    def train(weights: Any, x: Any, states: Any, dy: Any) -> Any:
        y, pullback = jax.vjp(lambda *arguments: forward(*arguments)[0], weights, x, states)
        return y, pullback(dy)

    if case.work == "training":
        compiled = jax.jit(train).lower(weights, x, states, dy).compile()
        return Prepared(lambda: jax.block_until_ready(compiled(weights, x, states, dy)), _training_arrays)
    compiled = jax.jit(forward).lower(weights, x, states).compile()
    return Prepared(lambda: jax.block_until_ready(compiled(weights, x, states)), _forward_arrays)


def _forward(case: Case, weights: Any, x: Any, states: Any) -> Any:
    cell = {"lstm": _lstm, "gru": _gru}.get(case.cell, _rnn_relu if case.cell == "rnn_relu" else _rnn)
    projected = x @ weights["weight_ih_l0"].T + weights["bias_ih_l0"]
    recurrent, bias = weights["weight_hh_l0"].T, weights["bias_hh_l0"]

    def step(state: Any, projected: Any) -> Any:
        state = cell(projected, state[0] @ recurrent + bias, state)
        return state, state[0]

    state, y = jax.lax.scan(step, tuple(part[0] for part in states), projected)
    return y, state


def _rnn(a: Any, b: Any, _: Any) -> Any:
    return (jnp.tanh(a + b),)


def _rnn_relu(a: Any, b: Any, _: Any) -> Any:
    return (jax.nn.relu(a + b),)


def _lstm(a: Any, b: Any, state: Any) -> Any:
    i, f, g, o = jnp.split(a + b, 4, axis=-1)
    c = jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def _gru(a: Any, b: Any, state: Any) -> Any:
    a_r, a_z, a_n = jnp.split(a, 3, axis=-1)
    b_r, b_z, b_n = jnp.split(b, 3, axis=-1)
    z = jax.nn.sigmoid(a_z + b_z)
    return ((1 - z) * jnp.tanh(a_n + jax.nn.sigmoid(a_r + b_r) * b_n) + z * state[0],)


def _forward_arrays(result: Any) -> dict[str, Array]:
    y, state = result
    return {"y": np.asarray(y)} | {f"{name}_n": np.asarray(part)[None] for name, part in zip("hc", state, strict=False)}


def _training_arrays(result: Any) -> dict[str, Array]:
    y, (weights, x, states) = result
    states_by_name = {f"{name}0": np.asarray(part) for name, part in zip("hc", states, strict=False)}
    return {"y": np.asarray(y), "x": np.asarray(x), **states_by_name, **{k: np.asarray(v) for k, v in weights.items()}}
