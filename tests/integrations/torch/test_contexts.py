"""Accelerated layers under checkpoints, saved-tensor hooks and autocast, and with PyTorch's generator."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402
from torch.nn.utils import parametrize  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402
from torch_layers import (  # noqa: E402
    EITHER_ROUTE,
    EVERY_KIND,
    SEQUENCES,
    accelerated_copy,
    assert_close,
    flat,
    gradients,
    made,
    normal,
    ran_here,
    state_of,
)

import rnnfast.integrations.torch as rft  # noqa: E402

pytestmark = EITHER_ROUTE


def test_a_reentrant_checkpoint_drops_out_the_same_units_again() -> None:
    module, found = made("gru", num_layers=2, dropout=0.5), []
    for call in (module, lambda x: checkpoint(module, x, use_reentrant=True)):
        x = normal(5, 2, 3)
        torch.manual_seed(0)
        call(x)[0].square().sum().backward()
        found.append([x.grad, *[parameter.grad for parameter in module.parameters()]])
        module.zero_grad()
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


class Dropped(nn.Module):
    """A parametrization that counts how often it drops out, and gives transposed memory if it is to."""

    def __init__(self, *, transposed: bool = False) -> None:
        super().__init__()
        self.transposed, self.count = transposed, 0

    def forward(self, weight: Any) -> Any:
        """Half of the weights."""
        self.count += 1
        weight = nn.functional.dropout(weight, 0.5, self.training)
        return weight.T.contiguous().T if self.transposed else weight


def with_dropped_weights(kind: str, **options: Any) -> tuple[Any, Dropped]:
    """A layer that no call has seen, and the parametrization of its recurrent weights."""
    module, dropped = made(kind), Dropped(**options)
    parametrize.register_parametrization(module, "weight_hh_l0", dropped)
    dropped.count = 0
    return module, dropped


@pytest.mark.parametrize("transposed", [False, True])
def test_every_forward_evaluates_a_parametrization_once(transposed: bool) -> None:
    (module, dropped), x, found = with_dropped_weights("gru", transposed=transposed), normal(2, 5, 3), []
    for batch_first in (False, False, True, True):
        module.batch_first = batch_first
        torch.manual_seed(0)
        found.append(module(x)[0])
    assert dropped.count == len(found) and ran_here(found)
    assert torch.equal(found[0], found[1]) and torch.equal(found[2], found[3])


@EVERY_KIND
@pytest.mark.parametrize("use_reentrant", [False, True])
def test_a_checkpoint_around_the_first_call_of_a_parametrized_layer(kind: str, use_reentrant: bool) -> None:
    (module, _), found = with_dropped_weights(kind), []
    for call in (lambda x: checkpoint(module, x, use_reentrant=use_reentrant), module):
        x = normal(5, 2, 3)
        torch.manual_seed(0)
        y, _ = call(x)
        y.square().sum().backward()
        found.append([y, x.grad, *[parameter.grad for parameter in module.parameters()]])
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
