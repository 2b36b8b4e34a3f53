"""Parameters edited in every way: seen by the next call, and of a frozen model when it is frozen again."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402
from torch.nn.utils import parametrize  # noqa: E402
from torch_layers import CELLS, EITHER_ROUTE, SEQUENCES, assert_close, flat, normal, packed, state_of  # noqa: E402

import rnnfast.integrations.torch as rft  # noqa: E402

pytestmark = EITHER_ROUTE


def in_place(module: Any) -> None:
    with torch.no_grad():
        module.weight_hh_l0.mul_(2)


def through_data(module: Any) -> None:
    module.weight_hh_l0.data.mul_(2)


def through_copy(module: Any) -> None:
    with torch.no_grad():
        module.bias_ih_l0.copy_(torch.ones(module.bias_ih_l0.shape))


def by_new_data(module: Any) -> None:
    module.weight_hh_l0.data = module.weight_hh_l0.data * 2


def by_transposed_data(module: Any) -> None:
    module.weight_hh_l0.data = module.weight_hh_l0.data.T


def by_strided_data(module: Any) -> None:
    shape = module.weight_ih_l0.shape
    module.weight_ih_l0.data = torch.ones(shape[0], 2 * shape[1])[:, ::2]


def by_a_new_parameter(module: Any) -> None:
    module.weight_hh_l0 = nn.Parameter(2 * module.weight_hh_l0.detach())


def by_a_state_dict(module: Any) -> None:
    module.load_state_dict({name: 2 * value for name, value in module.state_dict().items()})


def by_assignment_of_a_state_dict(module: Any) -> None:
    module.load_state_dict({name: 2 * value for name, value in module.state_dict().items()}, assign=True)


def by_an_optimiser(module: Any) -> None:
    module(normal(5, 2, 4))[0].sum().backward()
    torch.optim.SGD(module.parameters(), 0.1).step()


def through_numpy(module: Any) -> None:
    module.weight_hh_l0.detach().numpy()[...] += 1


EDITS = [
    in_place,
    through_data,
    through_copy,
    by_new_data,
    by_transposed_data,
    by_strided_data,
    by_a_new_parameter,
    by_a_state_dict,
    by_assignment_of_a_state_dict,
    by_an_optimiser,
    through_numpy,
]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_every_edit_is_seen_by_the_next_call(edit: Callable[[Any], None]) -> None:
    module, x = rft.accelerate(nn.RNN(4, 4)), normal(5, 2, 4)
    before = module(x)[0]
    edit(module)
    assert_close(module(x), rft.restore(copy.deepcopy(module))(x))
    assert not torch.equal(module(x)[0], before)
    assert module(x)[0].grad_fn.name() == "RecurrenceBackward"


def test_parameters_of_another_dtype_at_the_same_place_are_seen() -> None:
    module, x = rft.accelerate(nn.RNN(4, 4)), normal(5, 2, 4).detach()
    module(x)
    for parameter in module.parameters():
        halves = parameter.data.view(torch.float16).flatten()
        parameter.data = halves[: parameter.numel()].view(parameter.shape)
    with pytest.raises(ValueError, match="does not match weight dtype"):
        module(x)
    assert module(x.half())[0].dtype is torch.float16


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_a_frozen_model_sees_edits_when_it_is_frozen_again(edit: Callable[[Any], None]) -> None:
    module, x = nn.RNN(4, 4), normal(5, 2, 4).detach()
    with torch.inference_mode():
        before = rft.freeze(module)(x)[0]
    rft.restore(module)
    edit(twin := rft.freeze(copy.deepcopy(module)) if edit is not by_an_optimiser else copy.deepcopy(module))
    plain = copy.deepcopy(rft.restore(copy.deepcopy(twin)))
    with torch.inference_mode():
        if edit is not by_an_optimiser:
            assert torch.equal(twin(x)[0], before)
        rft.freeze(twin)
        assert not torch.equal(twin(x)[0], before)
        assert_close(twin(x), plain(x))


@pytest.mark.parametrize("kind", SEQUENCES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_frozen_models_give_the_bits_of_accelerated_ones(kind: str, dtype: Any) -> None:
    module = rft.accelerate(SEQUENCES[kind](3, 5, 2, bidirectional=True, dropout=0.5, dtype=dtype).eval())
    frozen = rft.freeze(copy.deepcopy(module))
    x = normal(6, 3, 3, dtype=dtype).detach()
    state = state_of(module, 3, dtype=dtype)
    for given in ((x,), (x[:, 0],), (x, state), (packed(x, [2, 6, 3]),)):
        with torch.inference_mode():
            expected = flat(module(*given))
            for one in (frozen, copy.deepcopy(frozen), pickle.loads(pickle.dumps(frozen))):
                assert all(torch.equal(a, b) for a, b in zip(flat(one(*given)), expected, strict=True))


@pytest.mark.parametrize("kind", CELLS)
def test_frozen_cells(kind: str) -> None:
    module = rft.accelerate(CELLS[kind](3, 5))
    frozen, x = rft.freeze(copy.deepcopy(module)), normal(2, 3)
    with torch.no_grad():
        assert all(torch.equal(a, b) for a, b in zip(flat(frozen(x)), flat(module(x)), strict=True))


def test_a_copy_of_a_frozen_model_is_as_it_was_frozen() -> None:
    module, x = rft.freeze(nn.GRU(3, 4)), normal(5, 2, 3)
    with torch.no_grad():
        before = module(x)[0]
        module.weight_hh_l0.zero_()
        for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
            assert torch.equal(twin(x)[0], before)
            assert not torch.equal(rft.restore(twin)(x)[0], before)


def test_a_frozen_layer_that_is_not_served_any_more_is_pytorchs_when_it_is_frozen_again() -> None:
    module, x = rft.freeze(nn.GRU(3, 4)).half(), normal(5, 2, 3).detach()
    with torch.no_grad():
        assert module(x)[0].dtype is torch.float32  # by the weights of then
        with pytest.raises((RuntimeError, ValueError), match="dtype"):
            rft.freeze(module)(x)
        assert module(x.half())[0].dtype is torch.float16


def test_frozen_models_are_for_inference_alone() -> None:
    model, x = rft.freeze(nn.Sequential(nn.GRU(3, 4, 2, dropout=0.5))), normal(5, 2, 3)
    with pytest.raises(RuntimeError, match="one for inference, without gradients and dropout"):
        model(x.detach())
    with torch.no_grad(), pytest.raises(RuntimeError, match=r"after model\.eval\(\)"):
        model(x)
    model.eval()
    with torch.no_grad():
        assert model(x)[0].grad_fn is None
    model.requires_grad_(False)
    assert model(x.detach())[0].shape == (5, 2, 4)
    with pytest.raises(RuntimeError, match=r"restore\(model\)"):
        model(x)
    assert rft.restore(model)(x)[0].requires_grad


def test_a_frozen_layer_whose_parametrizations_learn_is_for_inference_alone() -> None:
    module, x = nn.RNN(4, 4), normal(5, 2, 4).detach()
    for name, _ in [*module.named_parameters()]:
        parametrize.register_parametrization(module, name, nn.Identity())
    rft.freeze(module)
    with pytest.raises(RuntimeError, match="one for inference"):
        module(x)
    with torch.no_grad():
        assert_close(module(x), rft.restore(module)(x))
