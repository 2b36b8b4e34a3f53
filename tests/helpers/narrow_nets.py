"""Nets with weights in bfloat16 and int8 for the tests, and nets of float32 that have the same rounded weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rnnfast
from rnnfast.backends.c import backend as c
from rnnfast.problem import Array

I, H = 7, 33  # noqa: E741 (I is the input size)
TYPES = pytest.mark.parametrize("weights", ["bfloat16", "int8"])
BACKENDS = [name for name, reason in rnnfast.backends().items() if reason is None and name != "cuda"]
VARIANTS = [f"c:{name}" for name in c.variants() if c.reason(name) is None]
KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "rnn": (rnnfast.RNN, {}),
    "lstm": (rnnfast.LSTM, {}),
    "projected": (rnnfast.LSTM, {"proj_size": 19}),
    "gru": (rnnfast.GRU, {}),
    "gru_before": (rnnfast.GRU, {"reset_after": False}),
}
ROUNDS = "rounded to bfloat16"
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


def net(kind: str, *sizes: int, **options: Any) -> Any:
    """A net whose weights are larger than at first, so that states move."""
    made, own = KINDS[kind]
    found = made(*(sizes or (I, H)), seed=0, **own, **options)
    for array in found.parameters.values():
        array *= 2
    return found


def normal(*shape: int) -> Array:
    return np.random.default_rng(1).standard_normal(shape).astype("float32")


def twin(module: Any, frozen: Any) -> Any:
    """A net of float32 that has the rounded weights."""
    made, own = KINDS["projected" if module.net.proj_size else module.net.cell.partition("_t")[0]]
    options = {name: getattr(module.net, name) for name in ("num_layers", "bidirectional", "bias")}
    other = made(module.net.input_size, module.net.hidden_size, **own, **options, backend=module.backend)
    other.load_state_dict(frozen.parameters)
    return other


def distance(got: Array, truth: Array) -> float:
    return float(np.linalg.norm(got.astype("float64") - truth) / np.linalg.norm(truth))
