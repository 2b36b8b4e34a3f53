"""What autograd is refused of accelerated layers, and how: second derivatives, changed tensors, transforms."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch_layers import (  # noqa: E402
    EITHER_ROUTE,
    assert_close,
    made,
    normal,
)

from rnnfast.integrations.torch import traced  # noqa: E402

pytestmark = EITHER_ROUTE


def test_second_derivatives_are_refused_where_they_are_asked_for() -> None:
    module, x = made("gru"), normal(5, 2, 3)
    y, _ = module(x)
    dx, dw = torch.autograd.grad(y.sum(), [x, module.weight_hh_l0], create_graph=True)
    assert_close(dx, torch.autograd.grad(module(x)[0].sum(), x))
    (dx.sum() * 0 + x.sum()).detach()
    for first in (dx, dw):
        with pytest.raises(RuntimeError, match=r"cannot be differentiated again: call .*restore\(model\)"):
            first.square().sum().backward(retain_graph=True)


@pytest.mark.parametrize("which", ["x", "weight", "state"])
def test_changing_in_place_what_backward_needs_is_refused(which: str) -> None:
    module, x, h = made("gru"), normal(5, 2, 3) * 1, normal(1, 2, 4) * 1
    y, _ = module(x, h)
    with torch.no_grad():
        {"x": x, "weight": module.weight_hh_l0, "state": h}[which].add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_parameters_of_another_form_at_backward_are_refused() -> None:
    module = made("gru")
    y, _ = module(normal(5, 2, 3))
    module.weight_hh_l0.data = torch.zeros(1, 1)
    with pytest.raises(RuntimeError, match=r"since the forward, now .*weight_hh_l0 \(1, 1\)"):
        y.sum().backward()


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # which forward_ad compiles something by
def test_transforms_are_refused() -> None:
    module, x = made("gru"), normal(5, 2, 3).detach()
    first = lambda x: module(x)[0].sum()  # noqa: E731
    for call in (
        lambda: torch.func.vmap(module)(x[None]),
        lambda: torch.func.grad(first)(x),
        lambda: torch.func.jvp(first, (x,), (x,)),
    ):
        with pytest.raises(RuntimeError, match=r"torch\.func's transforms .*restore\(model\)"):
            call()
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x, x)
        for mode in (torch.no_grad, torch.enable_grad):
            with mode(), pytest.raises(RuntimeError, match="forward-mode"):
                module.requires_grad_(mode is torch.enable_grad)(dual)
        assert module(x)[0].shape == (5, 2, 4)


def test_batched_gradients_are_refused() -> None:
    module, x = made("gru"), normal(5, 2, 3)
    for y in (module(x)[0], traced.served(module, x, None)[0]):
        with pytest.raises(RuntimeError, match=r"is_grads_batched, vectorize.*restore\(model\)"):
            torch.autograd.grad(y, x, torch.ones(3, *y.shape), is_grads_batched=True, retain_graph=True)
        with pytest.raises(RuntimeError, match=r"torch\.func's transforms"):
            torch.vmap(lambda dy, y=y: torch.autograd.grad(y, x, dy))(torch.ones(3, *y.shape))
    with pytest.raises(RuntimeError, match="vectorize"):
        torch.autograd.functional.jacobian(lambda x: module(x)[0].sum(0), x, vectorize=True)
