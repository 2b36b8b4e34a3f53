"""Calls of the functions for JAX beside the reference: the same net, the same numbers, outputs and all gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from agreement import promised
from nets import parts

import rnnfast
from rnnfast.integrations.jax import gru, lstm, rnn
from rnnfast.net.options import options_of
from rnnfast.problem import Array

FUNCTIONS = {"RNN": rnn, "LSTM": lstm, "GRU": gru}
OWN = ("nonlinearity", "reset_after")
"""Options that choose the cell: of the functions, too."""


def random(*shape: int, seed: int = 0, dtype: str = "float32") -> Array:
    """Random numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def net_of(kind: str, sizes: tuple[int, int], dtype: str = "float32", **options: Any) -> Any:
    """A net with random parameters, those that the functions take, on the reference backend."""
    return getattr(rnnfast, kind)(*sizes, dtype=dtype, seed=3, backend="reference", **options)


def function_of(net: Any, **call: Any) -> Any:
    """The function for JAX, of parameters, x and state, that computes what `net` does."""
    options, function = options_of(net.net), FUNCTIONS[net.net.name]
    same = {name: options[name] for name in ("batch_first", "masked_output", *OWN) if name in options}
    return lambda parameters, x, state: function(parameters, x, state, **same, **call)


def weighed(function: Any, dy: Any, d_state: Any) -> Any:
    """The sum of a call's results times numbers, with its results: its gradients are those that these lead to."""

    def loss(parameters: Any, x: Any, state: Any) -> Any:
        y, final = function(parameters, x, state)
        pairs = zip((y, *parts(final)), (dy, *parts(d_state)), strict=True)
        return sum((one * other).sum() for one, other in pairs), (y, final)

    return loss


def results(net: Any, x: Array, state: Any, dy: Array, d_state: Any, **call: Any) -> dict[str, Array]:
    """Results and gradients by JAX, jitted."""
    loss = weighed(function_of(net, **call), dy, d_state)
    compiled = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True))
    (_, (y, final)), (of_parameters, dx, d_start) = compiled(net.state_dict(), x, state)
    return named(y, final, dx, d_start, of_parameters)


def expected(net: Any, x: Array, state: Any, dy: Array, d_state: Any, **call: Any) -> dict[str, Array]:
    """The same by the net, computed in float64."""
    finer = type(net)(**options_of(net.net), dtype="float64", backend="reference")
    finer.load_state_dict({name: value.astype("float64") for name, value in net.state_dict().items()})

    def double(arrays: Any) -> Any:
        return jax.tree.map(lambda array: array.astype("float64"), arrays)

    y, final, tape = finer.record(double(x), double(state), **call)
    gradients = tape.backward(double(dy), double(d_state))
    return named(y, final, gradients.x, gradients.state, gradients.params)


def named(y: Any, final: Any, dx: Any, d_start: Any, of_parameters: Mapping[str, Any]) -> dict[str, Array]:
    """Results and gradients by name."""
    states = {f"final {k}": part for k, part in enumerate(parts(final))}
    starts = {f"start {k}": part for k, part in enumerate(parts(d_start))}
    found = {"y": y, "dx": dx} | states | starts | {f"d {name}": of_parameters[name] for name in sorted(of_parameters)}
    return {name: np.asarray(array) for name, array in found.items()}


def assert_close(got: Mapping[str, Array], truth: Mapping[str, Array], dtype: str, times: float = 4) -> None:
    """Every array in `dtype` and within the promised error of its truth, some `times`: a few numbers may cancel."""
    assert got.keys() == truth.keys()
    for name, right in truth.items():
        assert got[name].dtype == dtype and got[name].shape == right.shape, name
        error = np.linalg.norm((got[name].astype("float64") - right).ravel())
        assert error <= times * promised(right, dtype), f"{name}: error {error:.1e} of {np.linalg.norm(right):.1e}"
