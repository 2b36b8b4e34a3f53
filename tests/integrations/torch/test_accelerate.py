"""Models that are accelerated as they are, and restored: what they hold, their state dicts, their memory."""

from __future__ import annotations

import gc
import io
import weakref

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402
from torch_layers import (  # noqa: E402  # noqa: E402
    EITHER_ROUTE,
    TOKENS,
    Tagger,
    assert_close,
    normal,
    ran_here,
)

import rnnfast.integrations.torch as rft  # noqa: E402

pytestmark = EITHER_ROUTE


def test_a_model_is_accelerated_as_it_is_and_restored() -> None:
    model = Tagger()
    before, names = model(TOKENS), [*model.state_dict()]
    assert rft.accelerate(model) is model and rft.report(model) == {}
    assert type(model.lstm) is nn.LSTM and type(model.again) is nn.GRUCell
    assert [*model.state_dict()] == names and len([*model.parameters()]) == 15
    assert ran_here(model(TOKENS))
    assert_close(model(TOKENS), before)
    assert rft.accelerate(model) is model
    assert rft.restore(model) is model and not ran_here(model(TOKENS))
    assert rft.report(model) == {"lstm": "it was not accelerated", "cells.0": "it was not accelerated"}
    assert torch.equal(model(TOKENS), before)


def test_a_block_in_which_a_model_is_accelerated() -> None:
    model = Tagger()
    rft.accelerate(model.lstm)
    with pytest.raises(KeyError), rft.accelerated(model) as same:
        assert same is model and rft.report(model) == {}
        raise KeyError
    assert rft.report(model) == {"cells.0": "it was not accelerated"}
    for function in (rft.accelerate, rft.report, rft.restore):
        with pytest.raises(TypeError, match=r"model is of type list, expected a torch\.nn\.Module"):
            function([model])


def test_state_dicts_go_both_ways() -> None:
    model, plain = rft.accelerate(Tagger()), Tagger()
    file = io.BytesIO()
    torch.save(plain.state_dict(), file)
    file.seek(0)
    model.load_state_dict(torch.load(file, weights_only=True))
    assert_close(model(TOKENS), plain(TOKENS))
    plain.load_state_dict(model.state_dict())


def test_a_model_is_freed_with_its_last_reference() -> None:
    gc.disable()
    try:
        model = rft.accelerate(nn.LSTM(3, 4))
        model(normal(5, 2, 3))[0].sum().backward()
        gone = [weakref.ref(model), weakref.ref(model.weight_hh_l0)]
        del model
        assert [reference() for reference in gone] == [None, None]
    finally:
        gc.enable()


def test_parameters_that_were_replaced_are_not_kept_alive() -> None:
    model = rft.accelerate(nn.GRU(3, 4))
    model(normal(5, 2, 3))
    gone = weakref.ref(model.weight_hh_l0)
    model.weight_hh_l0 = nn.Parameter(torch.zeros(12, 4))
    model(normal(5, 2, 3))
    assert gone() is None
