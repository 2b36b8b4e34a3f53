"""rnnfast's functions for JAX, jitted as `peer_jax` jits a scan."""

from __future__ import annotations

from functools import partial
from typing import Any

from rnnfast.benchmark import peer_jax
from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data
from rnnfast.benchmark.peer import Prepared
from rnnfast.integrations.jax import gru, lstm, rnn

lacks = peer_jax.lacks


def prepare(case: Case, data: Data) -> Prepared:
    """Make the case ready, compiled at its first call."""
    return peer_jax.prepare(case, data, _forward)


def _forward(case: Case, weights: Any, x: Any, states: Any, resets: Any) -> Any:
    functions: dict[str, Any] = {"lstm": lstm, "gru": gru, "rnn": rnn, "rnn_relu": partial(rnn, nonlinearity="relu")}
    given = states if states is None or case.cell == "lstm" else states[0]
    y, after = functions[case.cell](weights, x, given, resets=resets)
    return y, tuple(part[0] for part in (after if isinstance(after, tuple) else (after,)))
