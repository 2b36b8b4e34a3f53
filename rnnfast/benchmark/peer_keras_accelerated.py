"""Keras's models as `peer_keras` makes and calls them, accelerated by rnnfast."""

from __future__ import annotations

from typing import Any

from rnnfast.benchmark import peer_keras
from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data
from rnnfast.benchmark.peer import Prepared
from rnnfast.integrations.keras import accelerate, report

lacks = peer_keras.lacks


def prepare(case: Case, data: Data) -> Prepared:
    """Make the model and its input. Raises RuntimeError where a part of it would run Keras's own code."""
    return peer_keras.prepare(case, data, _served)


def _served(model: Any) -> Any:
    if reasons := report(accelerate(model)):
        raise RuntimeError(f"Keras's own code would run: {reasons}")
    return model
