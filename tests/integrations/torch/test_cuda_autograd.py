"""Backwards of modules on a CUDA device, emulated: what is wanted, again, of parameters that moved, compiled."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from torch._dynamo import compiled_autograd  # noqa: E402
from torch_device import device_with_clusters, made, modules_on, state_of, step  # noqa: E402
from torch_layers import assert_close, flat, gradients, normal  # noqa: E402

import rnnfast.integrations.torch as rft  # noqa: E402


@pytest.fixture
def device() -> Iterator[Any]:
    with modules_on(device_with_clusters()) as device:
        yield device


def test_parameters_may_get_other_memory(device: Any) -> None:
    """Before a call, and between a forward and its backward, where forward runs again with the same dropout."""
    torch.manual_seed(0)
    module, x = rft.LSTM(3, 5, recurrent_dropout=0.5), normal(2, 2, 3)

    def move() -> None:
        for parameter in module.parameters():
            before, parameter.data = parameter.data, parameter.data.clone()
            before.fill_(torch.nan)

    def results(between: Callable[[], None]) -> list[Any]:
        torch.manual_seed(3)
        made = module(x)
        between()
        return [*flat(made), *gradients(made, [x, *module.parameters()])]

    right = results(lambda: None)
    for between in (move, lambda: None):
        assert all(torch.equal(a, b) for a, b in zip(results(between), right, strict=True))


def test_backward_again(device: Any) -> None:
    module, twin = made("lstm")
    x = normal(2, 2, 3)
    y, _ = twin(x)
    first, second = (torch.autograd.grad(y.sum(), [x, *twin.parameters()], retain_graph=True) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert_close(list(first), list(torch.autograd.grad(module(x)[0].sum(), [x, *module.parameters()])))
    with pytest.raises(RuntimeError, match="cannot be differentiated again"):
        torch.autograd.grad(twin(x)[0].sum(), x, create_graph=True)[0].sum().backward()


def test_held_outputs_which_clusters_do_not_hold() -> None:
    """Other kernels use up what forward left, unless it is to stay."""
    torch.manual_seed(0)
    module, x = rft.LSTM(3, 5, masked_output="hold"), normal(3, 2, 3)
    twin = copy.deepcopy(module)

    def results(one: Any) -> list[Any]:
        y, _ = one(x, lengths=[1, 3])
        leaves = [x, *one.parameters()]
        return [y, *torch.autograd.grad(y.sum(), leaves, retain_graph=True), *torch.autograd.grad(y.sum(), leaves)]

    right = results(module)
    with modules_on(device_with_clusters()):
        assert_close(results(twin), right)


def test_inputs_that_changed_are_refused(device: Any) -> None:
    _, twin = made("gru")
    y, _ = twin(normal(2, 2, 3))
    step(twin)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_only_what_is_wanted_has_a_gradient(device: Any) -> None:
    module, twin = made("lstm")
    for one in (module, twin):
        one.requires_grad_(False)
    x, (h, c) = normal(2, 2, 3), state_of(module, 2)
    for leaf, hx in ((x, (h.detach(), c.detach())), (c, (h.detach(), c))):
        given = x if leaf is x else x.detach(), hx
        right, found = (gradients(one(*given)[0], [leaf]) for one in (module, twin))
        assert_close(found, right)


@pytest.mark.filterwarnings("ignore")
def test_compiled_autograd(device: Any) -> None:
    _, twin = made("lstm")
    y, _ = twin(normal(2, 2, 3))
    loss = y.square().sum()
    right = torch.autograd.grad(loss, [*twin.parameters()], retain_graph=True)
    with compiled_autograd._enable(lambda graph: graph):
        loss.backward()
    assert all(torch.equal(p.grad, gradient) for p, gradient in zip(twin.parameters(), right, strict=True))
