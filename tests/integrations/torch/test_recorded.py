"""What autograd records of accelerated layers: where gradients are wanted, of what has some, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch_layers import (  # noqa: E402
    EITHER_ROUTE,
    EVERY_KIND,
    SEQUENCES,
    accelerated_copy,
    assert_close,
    flat,
    made,
    normal,
    ran_here,
    state_of,
)

import rnnfast.integrations.torch as rft  # noqa: E402

pytestmark = EITHER_ROUTE


@EVERY_KIND
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_nothing_is_recorded_without_gradients(kind: str, mode: Callable[[], Any]) -> None:
    module = made(kind)
    with mode():
        results = flat(module(normal(5, 2, 3)))
    assert all(tensor.grad_fn is None and not tensor.requires_grad for tensor in results)
    assert all(tensor.is_inference() == (mode is torch.inference_mode) for tensor in results)
    assert_close(results, [tensor.detach() for tensor in flat(module(normal(5, 2, 3)))])


def test_only_what_needs_a_gradient_is_recorded_and_has_one() -> None:
    module, plain = made("lstm"), made("lstm")
    rft.restore(plain).load_state_dict(module.state_dict())
    for name, parameter in [*module.named_parameters(), *plain.named_parameters()]:
        parameter.requires_grad_(name == "weight_hh_l0")
    x = normal(5, 2, 3).detach()
    for one in (module, plain):
        one(x)[0].square().sum().backward()
    assert {name for name, parameter in module.named_parameters() if parameter.grad is not None} == {"weight_hh_l0"}
    assert_close(module.weight_hh_l0.grad, plain.weight_hh_l0.grad)
    module.requires_grad_(False)
    assert module(x)[0].grad_fn is None
    h, c = state_of(module, 2)
    y, _ = module(x, (h.detach(), c))
    (dc,) = torch.autograd.grad(y.sum(), c)
    plain.requires_grad_(False)
    assert_close(dc, torch.autograd.grad(plain(x, (h.detach(), c))[0].sum(), c))


class Mode(TorchDispatchMode):
    """Has calls run as operators."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one."""
        return func(*args, **(kwargs or {}))


class Stop(torch.autograd.Function):
    """What gives its input no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        """The same."""
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> None:
        """None."""
        return


@EVERY_KIND
@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("mode", [nullcontext, Mode], ids=["eager", "operator"])
def test_where_results_have_no_gradients_inputs_have_none(kind: str, create_graph: bool, mode: Any) -> None:
    plain = SEQUENCES[kind](3, 4)
    module, hx = accelerated_copy(plain), state_of(plain, 2)
    with mode():
        for one in (plain, module, module):
            x, state = normal(5, 2, 3), [tensor.detach().requires_grad_() for tensor in flat(hx)]
            y, _ = one(x, tuple(state) if kind == "lstm" else state[0])
            leaves = [x, *state, *one.parameters()]
            stopped = Stop.apply(y).sum()
            found = torch.autograd.grad(stopped, leaves, create_graph=create_graph, allow_unused=True)
            assert found == (None,) * len(leaves)
    y, _ = module(x)
    assert ran_here(y)
    (y.sum() + Stop.apply(y).sum()).backward()
    assert x.grad is not None and module.weight_hh_l0.grad is not None
