"""JAX: a jitted `lax.scan` over the steps, the input product taken out of it as one matrix product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data
from rnnfast.benchmark.peer import NO_LINEAR, Prepared
from rnnfast.problem import Array

jax.config.update("jax_platforms", "cpu")


def lacks(case: Case) -> str | None:
    """Say that it has no lengths, as `lax.scan` runs every step of every row, and compiles no forward of its own."""
    if case.is_between:
        return NO_LINEAR
    if case.call == "record":
        return "compiles forward and backward together"
    return "a scan has no lengths" if case.kind == "ragged" else None


def prepare(case: Case, data: Data, run: Callable[..., Any] | None = None) -> Prepared:
    """Make the case ready, compiled at its first call. Threads: as many as JAX saw processors when it was imported.

    `run`: what makes y (T, B, H) and the final states, each (B, H), of what `_forward` takes; None: that.
    """
    run = run or _forward
    states = data.states if case.has_state else None

    def forward(weights: Any, x: Any, states: Any, resets: Any) -> Any:
        return run(case, weights, x, states, resets)

    def train(weights: Any, x: Any, states: Any, resets: Any, dy: Any) -> Any:
        y, pullback = jax.vjp(lambda w, x, s: forward(w, x, s, resets)[0], weights, x, states)
        return y, pullback(dy)

    training = case.work == "training"
    compiled = jax.jit(train if training else forward)
    arrays = (data.weights, data.x, states, data.resets, *([data.dy] if training else []))
    work = _in_float64 if case.dtype == "float64" else _as_set
    return Prepared(work(compiled, arrays), _training_arrays if training else _forward_arrays)


def _as_set(compiled: Callable[..., Any], arrays: Any) -> Callable[[], Any]:
    given = jax.device_put(arrays)
    return lambda: jax.block_until_ready(compiled(*given))


def _in_float64(compiled: Callable[..., Any], arrays: Any) -> Callable[[], Any]:
    """Return a call with JAX's 64-bit numbers, on for that call alone: its setting is the whole process's."""
    with jax.enable_x64(True):
        given = jax.device_put(arrays)

    def work() -> Any:
        with jax.enable_x64(True):
            return jax.block_until_ready(compiled(*given))

    return work


def _forward(case: Case, weights: Any, x: Any, states: Any, resets: Any) -> Any:
    projected = x @ weights["weight_ih_l0"].T + weights["bias_ih_l0"]
    cell = CELLS[case.cell](weights["weight_hh_l0"].T, weights["bias_hh_l0"])
    if states is None:
        states = (jnp.zeros((1, case.batch, case.hidden), x.dtype),) * (2 if case.cell == "lstm" else 1)

    def step(state: Any, inputs: Any) -> Any:
        projected, reset = inputs
        if reset is not None:
            state = tuple(jnp.where(reset[:, None], 0, part) for part in state)
        state = cell(projected, state)
        return state, state[0]

    state, y = jax.lax.scan(step, tuple(part[0] for part in states), (projected, resets))
    return y, state


def _of_one_product(formulas: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return what takes W_hh (H, G·H) and b_hh and returns a cell: (W_ih x + b_ih, state) to the next state.

    `formulas` take the input's part of the sums, that of h and the state.
    """
    return lambda w, bias: lambda a, state: formulas(a, state[0] @ w + bias, state)


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


def _gru_before(w: Any, bias: Any) -> Any:
    """Return the cell whose reset gate comes before the product, which makes two of it."""
    cut = 2 * w.shape[0]
    (w_rz, w_n), (b_rz, b_n) = (jnp.split(array, [cut], axis=-1) for array in (w, bias))

    def cell(a: Any, state: Any) -> Any:
        h = state[0]
        r, z = jnp.split(jax.nn.sigmoid(a[:, :cut] + h @ w_rz + b_rz), 2, axis=-1)
        return ((1 - z) * jnp.tanh(a[:, cut:] + (r * h) @ w_n + b_n) + z * h,)

    return cell


CELLS = {
    "rnn": _of_one_product(_rnn),
    "rnn_relu": _of_one_product(_rnn_relu),
    "lstm": _of_one_product(_lstm),
    "gru": _of_one_product(_gru),
    "gru_before": _gru_before,
}
"""What makes each cell of its recurrent weights, (H, G·H) and (G·H,)."""


def _forward_arrays(result: Any) -> dict[str, Array]:
    y, state = result
    return {"y": np.asarray(y)} | {f"{name}_n": np.asarray(part)[None] for name, part in zip("hc", state, strict=False)}


def _training_arrays(result: Any) -> dict[str, Array]:
    y, (weights, x, states) = result
    states_by_name = {f"{name}0": np.asarray(part) for name, part in zip("hc", states, strict=False)}
    return {"y": np.asarray(y), "x": np.asarray(x), **states_by_name, **{k: np.asarray(v) for k, v in weights.items()}}
