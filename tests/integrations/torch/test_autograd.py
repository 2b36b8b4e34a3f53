"""Derivatives of accelerated layers: those of finite differences, of kept graphs, of what is used twice."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch_layers import (  # noqa: E402
    CELLS,
    EITHER_ROUTE,
    EVERY_KIND,
    SEQUENCES,
    accelerated_copy,
    assert_close,
    flat,
    gradients,
    made,
    normal,
    packed,
    state_of,
)

import rnnfast.integrations.torch as rft  # noqa: E402

pytestmark = EITHER_ROUTE


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


def test_a_result_may_be_changed_in_place() -> None:
    module, plain = made("gru"), rft.restore(made("gru"))
    x = normal(5, 2, 3)
    y, _ = module(x)
    got = torch.autograd.grad(y.mul_(2).sum(), x)
    assert_close(got, torch.autograd.grad(plain(x)[0].mul(2).sum(), x))
