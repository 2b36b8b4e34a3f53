"""Accelerated layers under PyTorch's settings and modes: its default device, anomaly detection, dispatch modes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode  # noqa: E402
from torch.fx.experimental.proxy_tensor import make_fx  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch_layers import EITHER_ROUTE, SEQUENCES, assert_close, flat, normal, packed  # noqa: E402

import rnnfast.integrations.torch as rft  # noqa: E402

pytestmark = EITHER_ROUTE

OURS = {"lstm": rft.LSTM, "gru": rft.GRU, "rnn": rft.RNN}
EVERY_KIND = pytest.mark.parametrize("kind", SEQUENCES)


class Seen(TorchDispatchMode):
    """A mode that keeps the operators' names."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operator."""
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


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
    cut = OURS[kind](3, 4, truncate=2)
    x = normal(5, 2, 3)
    calls = [(module, x), (module, packed(x, [2, 5])), (cut, x)]
    found = []
    for setting in (torch.enable_grad, nowhere):
        torch.manual_seed(0)
        with setting():
            results = [flat(one(given)) for one, given in calls]
            found += [[*y, *torch.autograd.grad(y[0].sum(), x, retain_graph=True)] for y in results]
    assert all(torch.equal(one, other) for one, other in zip(flat(found[:3]), flat(found[3:]), strict=True))


@pytest.mark.parametrize("cls", [*SEQUENCES.values(), *OURS.values()])
def test_modes_that_see_every_operator_see_ours(cls: type) -> None:
    module, x, other = rft.accelerate(cls(3, 4)), normal(5, 2, 3), normal(5, 2, 3, seed=1)

    def step(x: Any) -> Any:
        results = flat(module(x))
        return [*results, *torch.autograd.grad(results[0].sum(), [x, *module.parameters()])]

    graph = make_fx(step)(x)
    assert "rnnfast.record" in graph.code and "rnnfast.backward" in graph.code
    assert all(torch.equal(one, two) for one, two in zip(graph(other), step(other), strict=True))
    expected = module(rows := packed(x, [2, 5]))
    with Seen() as seen:
        found = module(rows)
    assert_close(found, expected)
    assert seen.names and not any(name.startswith("rnnfast") for name in seen.names)


def test_what_no_operator_has_is_refused_where_operators_are_to_be_seen() -> None:
    with Seen(), pytest.raises(TypeError, match="a TorchDispatchMode is active"):
        rft.LSTM(3, 4, truncate=2)(normal(5, 2, 3))


@EVERY_KIND
def test_tensors_without_numbers_have_results_without_numbers(kind: str) -> None:
    with FakeTensorMode():
        module, x = rft.accelerate(SEQUENCES[kind](3, 4)), torch.ones(5, 2, 3)
        y, _ = module(x)
        y.sum().backward()
    assert type(y) is FakeTensor and y.shape == (5, 2, 4)
    assert module.weight_hh_l0.grad.shape == module.weight_hh_l0.shape
