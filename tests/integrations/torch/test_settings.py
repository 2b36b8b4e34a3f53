"""Accelerated layers under PyTorch's settings and modes: its default device, anomaly detection, dispatch modes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch_layers import SEQUENCES, flat, normal, packed  # noqa: E402

import rnnfast.integrations.torch as rft  # noqa: E402

EVERY_KIND = pytest.mark.parametrize("kind", SEQUENCES)


@contextmanager
def nowhere() -> Iterator[None]:
    """PyTorch's factories make tensors without memory, unless told where."""
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(None)


@EVERY_KIND
def test_the_default_device_of_new_tensors_changes_nothing(kind: str) -> None:
    module = rft.accelerate(SEQUENCES[kind](3, 4, num_layers=2, dropout=0.5))
    cut = {"lstm": rft.LSTM, "gru": rft.GRU, "rnn": rft.RNN}[kind](3, 4, truncate=2)
    x = normal(5, 2, 3)
    calls = [(module, x), (module, packed(x, [2, 5])), (cut, x)]
    found = []
    for setting in (torch.enable_grad, nowhere):
        torch.manual_seed(0)
        with setting():
            results = [flat(one(given)) for one, given in calls]
            found += [[*y, *torch.autograd.grad(y[0].sum(), x, retain_graph=True)] for y in results]
    assert all(torch.equal(one, other) for one, other in zip(flat(found[:3]), flat(found[3:]), strict=True))
