"""What autograd sees of accelerated layers: derivatives, what is recorded, what is refused and in which words."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402
from torch_layers import (  # noqa: E402
    CELLS,
    EITHER_ROUTE,
    EVERY_KIND,
    SEQUENCES,
    accelerated_copy,
    assert_close,
    flat,
    gradients,
    normal,
    packed,
    ran_here,
    state_of,
)

import rnnfast.integrations.torch as rft  # noqa: E402
from rnnfast.integrations.torch import traced  # noqa: E402

pytestmark = EITHER_ROUTE


def made(kind: str, **options: Any) -> Any:
    """An accelerated layer of 3 inputs and 4 units."""
    torch.manual_seed(0)
    return rft.accelerate(SEQUENCES[kind](3, 4, **options))


@EVERY_KIND
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True, "bias": False}])
def test_derivatives_are_those_of_finite_differences(kind: str, options: dict[str, Any]) -> None:
    module = made(kind, dtype=torch.float64, **options)
    x, state = normal(3, 2, 3, dtype=torch.float64), state_of(module, 2, dtype=torch.float64)
    parameters = list(module.parameters())

    def call(x: Any, *rest: Any) -> tuple[Any, ...]:
        hx = rest[:2] if kind == "lstm" else rest[0]
        named = dict(zip(dict(module.named_parameters()), rest[len(flat(state)) :], strict=True))
        return tuple(flat(torch.func.functional_call(module, named, (x, hx))))

    assert torch.autograd.gradcheck(call, (x, *flat(state), *parameters))


@pytest.mark.parametrize("kind", CELLS)
def test_derivatives_of_cells(kind: str) -> None:
    module = rft.accelerate(CELLS[kind](3, 4, dtype=torch.float64))
    state = state_of(module, 2, dtype=torch.float64)

    def call(x: Any, *rest: Any) -> tuple[Any, ...]:
        return tuple(flat(module(x, rest if kind == "lstm" else rest[0])))

    assert torch.autograd.gradcheck(call, (normal(2, 3, dtype=torch.float64), *flat(state)))


@EVERY_KIND
@pytest.mark.parametrize("lengths", [None, [2, 5]])
def test_a_graph_that_is_kept_gives_the_same_bits_again(kind: str, lengths: list[int] | None) -> None:
    module, x = made(kind, num_layers=2), normal(5, 2, 3)
    results = module(x if lengths is None else packed(x, lengths))
    loss = sum(tensor.square().sum() for tensor in flat(results))
    leaves = [x, *module.parameters()]
    first, second = (torch.autograd.grad(loss, leaves, retain_graph=True) for _ in range(2))
    last = torch.autograd.grad(loss, leaves)
    for found in (second, last):
        assert all(torch.equal(one, other) for one, other in zip(first, found, strict=True))
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(loss, leaves)


def test_second_derivatives_are_refused_where_they_are_asked_for() -> None:
    module, x = made("gru"), normal(5, 2, 3)
    y, _ = module(x)
    dx, dw = torch.autograd.grad(y.sum(), [x, module.weight_hh_l0], create_graph=True)
    assert_close(dx, torch.autograd.grad(module(x)[0].sum(), x))
    (dx.sum() * 0 + x.sum()).detach()
    for first in (dx, dw):
        with pytest.raises(RuntimeError, match=r"cannot be differentiated again: call .*restore\(model\)"):
            first.square().sum().backward(retain_graph=True)


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


def test_a_final_state_alone_has_gradients() -> None:
    module, plain = made("lstm"), rft.restore(made("lstm"))
    x = normal(5, 2, 3)
    for pick in (lambda found: found[1][0], lambda found: found[1][1]):
        found = [torch.autograd.grad(pick(one(x)).sum(), [x, *one.parameters()]) for one in (module, plain)]
        assert_close(*found)


def test_gradients_accumulate_and_may_come_expanded() -> None:
    module, plain = made("gru", batch_first=True), rft.restore(made("gru", batch_first=True))
    for one in (module, plain):
        for _ in range(2):
            one(normal(5, 2, 3))[0].sum().backward()
    for got, expected in zip(module.parameters(), plain.parameters(), strict=True):
        assert_close(got.grad, expected.grad)


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


def test_a_result_may_be_changed_in_place() -> None:
    module, plain = made("gru"), rft.restore(made("gru"))
    x = normal(5, 2, 3)
    y, _ = module(x)
    got = torch.autograd.grad(y.mul_(2).sum(), x)
    assert_close(got, torch.autograd.grad(plain(x)[0].mul(2).sum(), x))


@EVERY_KIND
def test_parameters_and_modules_that_are_used_twice_gather_both_gradients(kind: str) -> None:
    plain = SEQUENCES[kind](4, 4, num_layers=2)
    plain.weight_hh_l1 = plain.weight_ih_l1 = plain.weight_hh_l0
    module, x = accelerated_copy(plain), normal(5, 2, 4)
    assert module.weight_hh_l1 is module.weight_hh_l0 and len([*module.parameters()]) == 6
    results = [one(one(x)[0]) for one in (module, plain)]
    assert_close(*results)
    assert_close(*[gradients(y, [x, *one.parameters()]) for y, one in zip(results, (module, plain), strict=True)])
    with torch.no_grad():
        assert_close(rft.freeze(module)(x), plain(x))


def test_a_reentrant_checkpoint_drops_out_the_same_units_again() -> None:
    module, found = made("gru", num_layers=2, dropout=0.5), []
    for call in (module, lambda x: checkpoint(module, x, use_reentrant=True)):
        x = normal(5, 2, 3)
        torch.manual_seed(0)
        call(x)[0].square().sum().backward()
        found.append([x.grad, *[parameter.grad for parameter in module.parameters()]])
        module.zero_grad()
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_checkpointing_and_saved_tensor_hooks() -> None:
    module, x = made("lstm", num_layers=2), normal(5, 2, 3)
    expected = torch.autograd.grad(module(x)[0].square().sum(), [x, *module.parameters()])

    def unaligned(tensor: Any) -> Any:
        room = torch.empty(tensor.numel() * tensor.element_size() + 8, dtype=torch.uint8)
        place = room[8:].view(tensor.dtype).view(tensor.shape)
        return place.copy_(tensor.detach())

    with torch.autograd.graph.saved_tensors_hooks(unaligned, lambda tensor: tensor):
        y, _ = module(x)
    got = torch.autograd.grad(y.square().sum(), [x, *module.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(got, expected, strict=True))
    y, _ = checkpoint(module, x, use_reentrant=False)
    got = torch.autograd.grad(y.square().sum(), [x, *module.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(got, expected, strict=True))


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


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_autocast_computes_in_float32(half: Any) -> None:
    module, plain = made("lstm"), rft.restore(made("lstm"))
    x, state = normal(5, 2, 3).detach().to(half), tuple(part.detach().to(half) for part in state_of(module, 2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        results = module(x, state)
    assert {tensor.dtype for tensor in flat(results)} == {torch.float32} and ran_here(results)
    assert_close(results, plain(x.float(), tuple(part.float() for part in state)))
    assert_close(gradients(results, [module.bias_hh_l0])[0].isfinite().all().float(), torch.tensor(1.0))
    with pytest.raises(ValueError, match="does not match weight dtype"):
        module(x)


def test_dropout_follows_pytorchs_generator() -> None:
    module = accelerated_copy(SEQUENCES["lstm"](3, 64, num_layers=2, dropout=0.5))
    x = normal(6, 5, 3)
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(module(x)[0])
    assert torch.equal(results[0], results[1]) and not torch.equal(results[0], results[2])
    with torch.no_grad():
        assert not torch.equal(module(x)[0], module(x)[0])
    module.eval()
    plain = rft.restore(accelerated_copy(module))
    assert_close(module(x), plain(x))
    module.train()
    y = torch.stack([module(x)[0] for _ in range(200)]).mean(0)
    assert (y - plain(x)[0]).abs().mean() < 0.02
