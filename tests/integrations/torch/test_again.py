"""Calls like one before, of which little is looked at: whatever differs is seen, and what is kept keeps no tensors."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch_layers import (  # noqa: E402
    CELLS,
    EITHER_ROUTE,
    EVERY_KIND,
    SEQUENCES,
    accelerated_copy,
    assert_close,
    assert_same_call,
    flat,
    gradients,
    normal,
    ran_here,
    state_of,
)

import rnnfast.integrations.torch as rft  # noqa: E402
from rnnfast.integrations.torch import around, bridge  # noqa: E402

pytestmark = EITHER_ROUTE


class Seen(TorchDispatchMode):
    """A mode that counts operators."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operator."""
        self.count += 1
        return func(*args, **(kwargs or {}))


def warm(module: Any, *given: Any) -> Any:
    """Call a module twice, with and without gradients."""
    for _ in range(2):
        flat(module(*given))[0].sum().backward()
        with torch.no_grad():
            module(*given)
    module.zero_grad()
    return module


@EVERY_KIND
def test_calls_in_any_order_are_those_of_pytorch(kind: str) -> None:
    module = SEQUENCES[kind](3, 3)
    twin, state = accelerated_copy(module), state_of(module, 2)
    detached = tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()
    sequences = normal(5, 2, 3), normal(5, 2, 3).detach(), normal(4, 2, 3), normal(2, 5, 3).transpose(0, 1)
    for x in (*sequences, *sequences):
        for hx in (None, state, detached, list(state) if isinstance(state, tuple) else None):
            results = [one(x, hx) for one in (module, twin)]
            assert ran_here(results[1])
            assert_close(results[1], results[0])
            found = [
                gradients(result, [*one.parameters()]) for result, one in zip(results, (module, twin), strict=True)
            ]
            assert_close(found[1], found[0])
            with torch.inference_mode():
                assert_close(twin(x, hx), module(x, hx))


@pytest.mark.parametrize("kind", CELLS)
def test_cells_again(kind: str) -> None:
    module = CELLS[kind](3, 4)
    twin = accelerated_copy(module)
    for _ in range(3):
        assert_same_call(module, normal(2, 3), state_of(module, 2), twin)
        assert_same_call(module, normal(2, 3), None, twin)


def test_gradients_of_other_results_and_without_gaps_or_with() -> None:
    module = nn.LSTM(3, 4)
    twin, x = accelerated_copy(module), normal(5, 2, 3)
    picks: list[Callable[[Any], Any]] = [
        lambda found: found[0].square(),
        lambda found: found[0],  # whose gradient is one number, expanded
        lambda found: found[1][0].square(),
        lambda found: found[1][1].square(),
        lambda found: found[0].square().sum() + found[1][1].square().sum(),
    ]
    for pick in (*picks, *reversed(picks)):
        got = [torch.autograd.grad(pick(one(x)).sum(), [x, *one.parameters()]) for one in (module, twin)]
        assert_close(got[1], got[0])


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # which forward_ad compiles something by
def test_what_cannot_see_into_a_call_is_refused_after_others_too() -> None:
    module, x = warm(rft.accelerate(nn.GRU(3, 4)), normal(5, 2, 3)), normal(5, 2, 3).detach()
    for _ in range(2):
        with torch.no_grad():
            module(x)
        with pytest.raises(RuntimeError, match=r"torch\.func's transforms"):
            torch.func.vmap(module)(x[None])
        with torch.autograd.forward_ad.dual_level(), pytest.raises(RuntimeError, match="forward-mode"):
            module(torch.autograd.forward_ad.make_dual(x, x))
        y = module(x)[0]
        y.sum().backward(retain_graph=True)
        y.square().sum().backward()
        with pytest.raises(RuntimeError, match="is_grads_batched"):
            torch.autograd.grad(module(x)[0], module.weight_hh_l0, torch.ones(3, *y.shape), is_grads_batched=True)


def test_modes_and_hooks_see_calls_after_others_too() -> None:
    module, x, saved = warm(rft.accelerate(nn.GRU(3, 4)), normal(5, 2, 3)), normal(5, 2, 3), []
    with Seen() as seen, torch.no_grad():
        module(x)
    assert seen.count
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: saved.append(tensor) or tensor, lambda tensor: tensor):
        y = module(x)[0]
    assert len(saved) == 6 and saved[-1].dtype is torch.uint8
    expected = torch.autograd.grad(module(x)[0].square().sum(), [x, *module.parameters()])
    for keep in (True, False):
        got = torch.autograd.grad(y.square().sum(), [x, *module.parameters()], retain_graph=keep)
        assert all(torch.equal(one, other) for one, other in zip(got, expected, strict=True))


@EVERY_KIND
def test_a_pytorch_that_does_not_tell_of_hooks_is_given_all_that_is_saved(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(around, "_hooks", lambda _: True)
    monkeypatch.setattr(bridge, "loaded", None)  # which PyTorch before 2.8 does without
    module = SEQUENCES[kind](3, 4)
    twin = accelerated_copy(module)
    for _ in range(2):
        assert_same_call(module, normal(5, 2, 3), state_of(module, 2), twin)
    assert twin(normal(5, 2, 3))[0].grad_fn.saved_tensors[-1].dtype is torch.uint8


def test_halves_of_autocast_after_others() -> None:
    module, x = warm(rft.accelerate(nn.GRU(3, 4)), normal(5, 2, 3)), normal(5, 2, 3).detach()
    for _ in range(2):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert module(x)[0].dtype is torch.float32
            assert module(x.bfloat16())[0].dtype is torch.float32
        with pytest.raises(ValueError, match="does not match weight dtype"):
            module(x.bfloat16())


def test_states_of_a_wrong_kind_after_right_ones() -> None:
    lstm, gru, x = rft.accelerate(nn.LSTM(3, 4)), rft.accelerate(nn.GRU(3, 4)), normal(5, 2, 3)
    state = state_of(lstm, 2)
    for module, right, wrong in (
        (lstm, state, torch.stack(state)[:, 0]),
        (lstm, state, state[:1]),
        (gru, state[0], state[:1]),
        (gru, state[0], state),
    ):
        warm(module, x, right)
        with pytest.raises((RuntimeError, TypeError, ValueError, IndexError, AttributeError)):
            module(x, wrong)


def test_parameters_registered_in_another_order_are_found_by_name() -> None:
    module = nn.RNN(4, 4)
    twin, x = accelerated_copy(module), normal(5, 2, 4)
    warm(twin, x)
    for one in (module, twin):
        weight = one.weight_ih_l0
        del one._parameters["weight_ih_l0"]
        one.register_parameter("weight_ih_l0", weight)
    for _ in range(2):
        assert_close(twin(x), module(x))


def test_data_of_another_form_between_forward_and_backward_are_refused_after_others_too() -> None:
    module = warm(rft.accelerate(nn.GRU(3, 4)), normal(5, 2, 3))
    for _ in range(2):
        y = module(normal(5, 2, 3))[0]
        data, module.weight_hh_l0.data = module.weight_hh_l0.data, torch.zeros(1, 1)
        for _ in range(2):
            with pytest.raises(RuntimeError, match=r"since the forward, now .*weight_hh_l0 \(1, 1\)"):
                y.square().sum().backward(retain_graph=True)
        module.weight_hh_l0.data = data
        y.square().sum().backward()


def test_dropout_draws_anew_for_each_call() -> None:
    module = rft.accelerate(nn.GRU(3, 32, 2, dropout=0.5))
    x = normal(5, 2, 3)
    for mode in (torch.enable_grad, torch.no_grad):
        with mode():
            found = [module(x)[0] for _ in range(4)]
            assert not any(torch.equal(one, other) for one, other in zip(found, found[1:], strict=False))
            torch.manual_seed(0)
            first = module(x)[0]
            torch.manual_seed(0)
            assert torch.equal(module(x)[0], first)
            assert torch.equal(module.eval()(x)[0], module(x)[0])
            module.train()


def test_frozen_layers_see_what_differs() -> None:
    module = rft.freeze(nn.GRU(3, 4, 2, dropout=0.5)).eval()
    plain, x, h = rft.restore(accelerated_copy(module)), normal(5, 2, 3).detach(), state_of(module, 2).detach()
    for _ in range(2):
        with torch.no_grad():
            for given in ((x,), (x, h), (x[:3],), (x[:, 0],)):
                assert_close(module(*given), plain(*given))
        with pytest.raises(RuntimeError, match="one for inference"):
            module(x)
        with torch.no_grad(), pytest.raises(RuntimeError, match="one for inference"):
            module.train()(x)
        module.eval()


@pytest.mark.parametrize("kind", CELLS)
def test_cells_without_biases(kind: str) -> None:
    module = CELLS[kind](3, 4, bias=False)
    twin, x = accelerated_copy(module), normal(2, 3)
    frozen = rft.freeze(accelerated_copy(module)).requires_grad_(False)
    for _ in range(2):
        assert_same_call(module, x, state_of(module, 2), twin)
        assert_close(frozen(x.detach()), module(x.detach()))


def test_nothing_of_a_call_is_kept() -> None:
    module, x = rft.accelerate(nn.LSTM(3, 4)), normal(5, 2, 3)
    y, state = module(x)
    y.sum().backward()
    gone = [weakref.ref(tensor) for tensor in (x, y, *state)]
    gone.append(weakref.ref(module.weight_hh_l0))
    del x, y, state
    module.weight_hh_l0 = nn.Parameter(torch.zeros(16, 4))
    gc.collect()
    assert all(reference() is None for reference in gone)
