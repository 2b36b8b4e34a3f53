"""Inputs of accelerated layers of which PyTorch refuses some and runs some: sizes, classes, layouts, negative bits."""

from __future__ import annotations

import copy
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402
from torch_layers import (  # noqa: E402
    CELLS,
    EITHER_ROUTE,
    EVERY_KIND,
    SEQUENCES,
    assert_close,
    assert_same_call,
    flat,
    normal,
    packed,
    ran_here,
    state_of,
)

import rnnfast.integrations.torch as rft  # noqa: E402

pytestmark = EITHER_ROUTE


@EVERY_KIND
def test_a_batch_of_none_and_no_steps(kind: str) -> None:
    module = SEQUENCES[kind](3, 4, num_layers=2)
    assert_same_call(module, normal(5, 0, 3))
    assert_same_call(module, normal(5, 0, 3), state_of(module, 0))
    with pytest.raises(RuntimeError, match="larger than 0"):
        rft.accelerate(module)(normal(0, 2, 3))
    with pytest.raises(RuntimeError, match="larger than 0"):
        module(normal(0, 3))


@pytest.mark.parametrize("kind", CELLS)
def test_a_batch_of_none_in_cells(kind: str) -> None:
    module = CELLS[kind](3, 4)
    assert_same_call(module, normal(0, 3), state_of(module, 0))


def test_errors_are_pytorchs() -> None:
    module, plain, cell = rft.accelerate(nn.LSTM(3, 4)), nn.LSTM(3, 4), nn.GRUCell(3, 4)
    h = torch.zeros(1, 2, 4)
    calls = [(normal(5, 2, 9),), (normal(2),), (normal(5, 2, 3), h), (normal(5, 2, 3), (h, h[:, :1]))]
    calls += [(normal(5, 2, 3), (h, h[0])), (normal(5, 2, 3).double(),), ([1.0],), (packed(normal(5, 2, 9), [5, 1]),)]
    calls += [(normal(5, 2, 3), (h, h.double())), (normal(5, 2, 3, 1).to_sparse(),)]
    for given in calls:
        with pytest.raises((RuntimeError, ValueError, AttributeError, TypeError, IndexError)) as expected:
            plain(*given)
        with pytest.raises(type(expected.value)) as got:
            module(*given)
        assert str(got.value) == str(expected.value)
    with pytest.raises(RuntimeError) as expected:
        cell(normal(2, 9))
    with pytest.raises(RuntimeError) as got:
        rft.accelerate(cell)(normal(2, 9))
    assert str(got.value) == str(expected.value)


@pytest.mark.parametrize("layout", [torch.Tensor.to_mkldnn, torch.Tensor.to_sparse], ids=["oneDNN", "sparse"])
@pytest.mark.parametrize("which", ["x", "state", "parameter"])
@pytest.mark.parametrize("cls", [*SEQUENCES.values(), *CELLS.values()])
def test_tensors_of_other_layouts_are_pytorchs(cls: Any, which: str, layout: Any) -> None:
    """Most it refuses; a sparse x of a cell it runs."""
    plain, x = cls(3, 4).requires_grad_(False), torch.ones((5, 2, 3) if cls in SEQUENCES.values() else (2, 3))
    module, state, said = rft.accelerate(copy.deepcopy(plain)), None, []
    module(x)
    if which == "x":
        x = layout(x)
    elif which == "state":
        state = [layout(part.detach()) for part in flat(state_of(plain, 2))]
        state = tuple(state) if len(state) > 1 else state[0]
    else:
        for one in (plain, module):
            name, weight = [*one.named_parameters()][1]
            one._parameters[name] = nn.Parameter(layout(weight), requires_grad=False)
    reason = rft.report(module).get("", "")
    assert reason.startswith("a parameter has the layout torch.") == (which == "parameter")
    for one in (plain, module):
        try:
            said.append(flat(one(x, state)))
        except RuntimeError as error:
            said.append(str(error))
    if isinstance(said[0], str):
        assert said[0] == said[1]
    else:
        assert_close(said[1], said[0])


def test_tensors_of_other_classes_run_pytorchs_own_code() -> None:
    class Named(torch.Tensor):
        pass

    module, x = rft.accelerate(nn.GRU(3, 4)), normal(5, 2, 3).detach()
    y, _ = module(x.as_subclass(Named))
    assert type(y) is Named and not ran_here(y)
    assert_close(y.as_subclass(torch.Tensor), module(x)[0])
    assert ran_here(module(nn.Parameter(x)))


@EVERY_KIND
@pytest.mark.parametrize("size", [1, 3])
def test_numbers_that_pytorch_negates_when_they_are_read(kind: str, size: int) -> None:
    module = SEQUENCES[kind](size, size)
    x, state = normal(1, 1, size), state_of(module, 1)
    negative, *parts = [torch.complex(one, one).conj().imag for one in (x, *flat(state))]
    twin = rft.accelerate(copy.deepcopy(module))
    for one in (negative, *parts):
        assert one.is_neg() and one.is_contiguous() == (size == 1)
    for given in ((negative,), (x, tuple(parts) if kind == "lstm" else parts[0]), (torch._neg_view(x),)):
        results = [one(*given) for one in (module, twin)]
        assert_close(*results)
        losses = [torch.complex(y, y).conj().imag.square().sum() for y, _ in results]
        both = zip(losses, (module, twin), strict=True)
        assert_close(*[torch.autograd.grad(loss, [x, *one.parameters()], retain_graph=True) for loss, one in both])
    for one in (module, twin):
        one.weight_hh_l0 = nn.Parameter(torch._neg_view(one.weight_hh_l0.detach()))
    assert twin.weight_hh_l0.is_neg() and rft.report(twin)[""].startswith("a parameter holds numbers that are negated")
    assert_close(twin(x), module(x))
