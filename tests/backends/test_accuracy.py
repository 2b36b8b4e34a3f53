"""float32 errors of the C backend beside PyTorch's, both against PyTorch in float64, over 20 seeds or more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rnnfast
from rnnfast.backends.c import backend as c
from rnnfast.problem import Array

torch = pytest.importorskip("torch", reason="torch is not installed")
pytestmark = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))

SIZES = {"small": (20, 4, 16, 32), "medium": (50, 16, 32, 64), "wide": (12, 3, 256, 256)}
"""T, B, I, H."""
SEEDS = {"small": 80, "medium": 20, "wide": 20}
"""More where a bias has so few numbers that a median over 20 nets is mostly chance."""


def of_torch(net: Any, x: Any, dy: Any) -> dict[str, Array]:
    """y and every gradient of one step of training, in float64."""
    x = x.detach().requires_grad_()
    y, _ = net(x)
    y.backward(dy)
    results = {"y": y, "x": x.grad, **{name: p.grad for name, p in net.named_parameters()}}
    return {name: a.detach().double().numpy() for name, a in results.items()}


def of_ours(net: Any, x: Array, dy: Array) -> dict[str, Array]:
    """The same of a module."""
    y, _, tape = net.record(x)
    grads = tape.backward(dy)
    return {"y": y, "x": grads.x, **grads.params}


def errors(cell: str, projected: bool, size: tuple[int, ...], seed: int) -> dict[str, tuple[float, float]]:
    """Relative errors of one net: ours, PyTorch's."""
    steps, batch, inputs, hidden = size
    options = {"proj_size": hidden // 2} if projected else {}
    torch.manual_seed(seed)
    theirs = getattr(torch.nn, cell)(inputs, hidden, **options)
    truth = getattr(torch.nn, cell)(inputs, hidden, dtype=torch.float64, **options)
    truth.load_state_dict(theirs.state_dict())
    ours = getattr(rnnfast, cell)(inputs, hidden, backend="c", **options)
    ours.load_state_dict(theirs.state_dict())
    x, dy = torch.randn(steps, batch, inputs), torch.randn(steps, batch, options.get("proj_size", hidden))
    exact = of_torch(truth, x.double(), dy.double())
    got = of_ours(ours, x.numpy(), dy.numpy()), of_torch(theirs, x, dy)
    norms = {name: np.linalg.norm(a) for name, a in exact.items()}
    found = [{name: float(np.linalg.norm(one[name] - a) / norms[name]) for name, a in exact.items()} for one in got]
    return {name: (found[0][name], found[1][name]) for name in exact}


@pytest.mark.covering(1)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cell, projected", [("LSTM", False), ("LSTM", True), ("GRU", False), ("RNN", False)])
def test_errors_are_no_larger_than_those_of_torch(cell: str, projected: bool, size: str) -> None:
    """The median over seeds, and none over 1.5 times, with room for what PyTorch's own order of sums is by chance.

    That order depends on the processor: medians measured were 0.5 to 1.03 of PyTorch's, and the largest ratio of one
    seed 1.64 among 150, for a bias of the small GRU.
    """
    runs = [errors(cell, projected, SIZES[size], seed) for seed in range(SEEDS[size])]
    for name in runs[0]:
        ours, theirs = np.array([run[name] for run in runs]).T
        assert np.median(ours) <= 1.1 * np.median(theirs), name
        assert (ours / theirs).max() <= (1.75 if name.startswith("bias") else 1.5), name
