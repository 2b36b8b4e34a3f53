"""Backwards of accelerated layers under PyTorch's compiled autograd, whose forwards ran as ever: the same gradients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402
from torch._dynamo import compiled_autograd  # noqa: E402
from torch_layers import EITHER_ROUTE, flat, normal, ran_here, state_of  # noqa: E402

import rnnfast.integrations.torch as rft  # noqa: E402

pytestmark = [EITHER_ROUTE, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(autouse=True)
def fresh_dynamo() -> Iterator[None]:
    """Nothing is left of what was compiled before, nor after."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def gradients(module: Any, x: Any, state: Any, compiler: Any, *, keep: bool = False) -> list[Any]:
    """Every gradient of a call with its own random numbers; a compiler of None: of PyTorch's ordinary autograd."""
    leaves = [x, *([] if state is None else flat(state)), *module.parameters()]
    for leaf in leaves:
        leaf.grad = None
    torch.manual_seed(3)
    results = flat(module(x, state))
    assert ran_here(results)
    loss = sum((tensor * tensor).sum() for tensor in results)
    for _ in range(1 + keep):
        if compiler is None:
            loss.backward(retain_graph=keep)
        else:
            with compiled_autograd._enable(compiler):
                loss.backward(retain_graph=keep)
    return [leaf.grad for leaf in leaves]


MADE: dict[str, tuple[Any, tuple[int, ...], tuple[int, ...]]] = {
    "lstm": (lambda: nn.LSTM(3, 4), (5, 2, 3), (2,)),
    "gru, dropout": (lambda: nn.GRU(3, 4, 2, dropout=0.5), (5, 2, 3), (2,)),
    "gru, one row": (lambda: nn.GRU(3, 4, bias=False), (5, 3), ()),
    "lstm cell": (lambda: nn.LSTMCell(3, 4), (2, 3), (2,)),
}
"""What makes a module, and the shape of its x and of its batch."""


@pytest.mark.slow
@pytest.mark.parametrize("name", MADE)
def test_gradients_are_those_of_ordinary_autograd(name: str) -> None:
    make, shape, batch = MADE[name]
    module, graphs = rft.accelerate(make()), []

    def compiler(graph: Any) -> Any:
        graphs.append(graph)
        return graph

    for seed, state, keep in ((0, None, False), (1, None, False), (2, state_of(module, *batch), True)):
        x = normal(*shape, seed=seed)
        expected = gradients(module, x, state, None, keep=keep)
        found = gradients(module, x, state, compiler, keep=keep)
        assert all(map(torch.equal, found, expected))
    assert len(graphs) == 3  # one for calls that are alike, one with a state, one to add to gradients that are there


def test_inputs_that_need_no_gradient_have_none() -> None:
    module = rft.accelerate(nn.GRU(3, 4)).requires_grad_(False)
    module.weight_hh_l0.requires_grad_()
    y, _ = module(torch.ones(5, 2, 3))
    with compiled_autograd._enable(lambda graph: graph):
        y.sum().backward(retain_graph=True)
    found = module.weight_hh_l0.grad
    assert torch.equal(found, torch.autograd.grad(y.sum(), module.weight_hh_l0)[0])
    assert module.weight_ih_l0.grad is None
