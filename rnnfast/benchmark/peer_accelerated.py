"""PyTorch's nets and step cells as `peer_torch` makes and calls them, accelerated by rnnfast."""

from __future__ import annotations

from typing import Any

import rnnfast.integrations.torch as rft
from rnnfast.benchmark import peer_torch
from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data
from rnnfast.benchmark.peer import Prepared

lacks = peer_torch.lacks


def prepare(case: Case, data: Data) -> Prepared:
    """Make the module and its arguments. Raises RuntimeError where a part of it would run PyTorch's own code."""
    return peer_torch.prepare(case, data, lambda module: served(rft.accelerate(module)))


def served(module: Any) -> Any:
    """Return the module, all of which rnnfast runs. Raises RuntimeError where that is not so."""
    if reasons := rft.report(module):
        raise RuntimeError(f"PyTorch's own code would run: {reasons}")
    return module
