"""PyTorch's nets and step cells frozen for inference: rnnfast runs them, their weights rearranged once."""

from __future__ import annotations

import rnnfast.integrations.torch as rft
from rnnfast.benchmark import peer_torch
from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data
from rnnfast.benchmark.peer import Prepared
from rnnfast.benchmark.peer_accelerated import served


def lacks(case: Case) -> str | None:
    """Say that it is for weights that stay as they are."""
    if case.work == "training" or case.call in ("module(x)", "record"):
        return "its weights are constants and have no gradients"
    return peer_torch.lacks(case)


def prepare(case: Case, data: Data) -> Prepared:
    """Make the module and its arguments. Raises RuntimeError where a part of it would run PyTorch's own code."""
    return peer_torch.prepare(case, data, lambda module: served(rft.freeze(module)))
